/** Where the page goes, as it is made: FILE.part, renamed at the end, or standard output. Leaves out resuming. */
import { once } from 'node:events'
import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { UserError } from '../../errors.ts'
import { standard } from '../../io/formats.ts'
import { journalOf } from '../../io/sink.ts'

/** Characters that are gathered before they are handed to the system. */
const BATCH = 1 << 18

export class PageFile {
  /** Bytes so far, without what is still gathered. */
  bytes = 0
  private gathered = ''

  private constructor(
    private readonly path: string,
    private readonly part: string | undefined,
    private readonly file: FileHandle | undefined,
  ) {}

  /** @throws UserError where `path` cannot be written */
  static async open(path: string): Promise<PageFile> {
    if (path === standard) return new PageFile(path, undefined, undefined)
    const part = journalOf(path)
    try {
      return new PageFile(path, part, await open(part ?? path, 'w'))
    } catch (error) {
      throw new UserError(`cannot write ${part ?? path}: ${(error as Error).message}`)
    }
  }

  async write(text: string): Promise<void> {
    this.gathered += text
    if (this.gathered.length >= BATCH) await this.flush()
  }

  async finish(): Promise<void> {
    await this.flush()
    await this.file?.close()
    if (this.part) await rename(this.part, this.path)
  }

  /** The work broke off: leaves nothing behind. */
  async drop(): Promise<void> {
    await this.file?.close()
    if (this.part) await rm(this.part, { force: true })
  }

  private async flush(): Promise<void> {
    const bytes = Buffer.from(this.gathered)
    this.gathered = ''
    this.bytes += bytes.length
    if (!this.file) {
      if (!process.stdout.write(bytes)) await once(process.stdout, 'drain')
      return
    }
    try {
      await this.file.appendFile(bytes)
    } catch (error) {
      throw new UserError(`cannot write ${this.part ?? this.path}: ${(error as Error).message}`)
    }
  }
}
