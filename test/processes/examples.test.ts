/**
 * The examples in `sophia STAGE --help` run as they are printed, stage after stage in one folder, in which what one
 * stage's examples write is what the next one's read. Lines about MODEL are for models that are not in the repository.
 */
import { chmodSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { bin, root, shell, sophia, temporary } from './sophia.ts'

const test = suite('examples')
const dir = temporary()
symlinkSync(join(root, 'fixtures'), join(dir, 'fixtures'))
mkdirSync(join(dir, 'bin'))
writeFileSync(join(dir, 'bin/sophia'), `#!/bin/sh\nexec ${process.execPath} ${bin} "$@"\n`)
chmodSync(join(dir, 'bin/sophia'), 0o755)
const env = { PATH: `${join(dir, 'bin')}:${process.env.PATH}` }

for (const stage of [
  'caption',
  'reason',
  'reward',
  'propagate',
  'train',
  'eval',
  'eval report',
  'eval compare',
  'check overlap',
  'convert',
]) {
  test(stage, async () => {
    const help = await sophia([...stage.split(' '), '--help'], '', env)
    const lines = help.stdout.slice(help.stdout.indexOf('EXAMPLES')).match(/^ +\$ .*/gm) ?? []
    const commands = lines.map(line => line.replace(/^ +\$ /, '')).filter(line => !/MODEL/.test(line))
    assert.ok(commands.length > 0)
    for (const command of commands) {
      const { code, stderr, stdout } = await shell(`cd "$DIR"; export PATH="$DIR/bin:$PATH"; ${command}`, dir)
      assert.is(code, 0, `${command}\n${stderr}`)
      const [, output] = / -o (\S+)/.exec(command) ?? []
      assert.ok(output ? existsSync(join(dir, output)) : stdout.trim() !== '', command)
    }
  })
}

test.run()
