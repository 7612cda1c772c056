/**
 * How fast a server is asked. So many requests at once; and when it says that it is overrun, all wait, and fewer go at
 * once from then on: a storm is not answered by a storm. Each success lets it come back a little.
 */
import { Fault } from './fault.ts'

/** Longest pause of our own making, in milliseconds. */
const LONGEST = 60_000

export class Pace {
  private running = 0
  private readonly waiting: (() => void)[] = []
  private limit: number
  /** Nobody sets out before this time. */
  private notBefore = 0
  /** Storms in a row, and when the last one was noticed. */
  private storms = 0
  private noticed = 0

  /**
   * @param most requests at once
   * @param pause milliseconds of the first pause; each one after it is twice as long
   */
  constructor(
    private readonly most: number,
    private readonly pause: number,
  ) {
    this.limit = most
  }

  /**
   * Runs `work` when its turn has come.
   * @param signal ends the waiting
   * @param first before those that wait already: others wait for its answer
   */
  async run<T>(work: () => Promise<T>, signal: AbortSignal, first = false): Promise<T> {
    if (this.running >= Math.floor(this.limit)) await this.turn(signal, first)
    else this.running++
    try {
      for (let left = this.notBefore - performance.now(); left > 0; left = this.notBefore - performance.now())
        await sleep(left + jitter(this.pause / 4), signal)
      const since = performance.now()
      try {
        const made = await work()
        this.storms = 0
        this.limit = Math.min(this.most, this.limit + 1 / this.limit)
        return made
      } catch (error) {
        if (error instanceof Fault && error.again === 'all') this.storm(since, error.wait)
        throw error
      }
    } finally {
      this.running--
      while (this.running < Math.floor(this.limit) && this.waiting.length > 0) {
        this.running++
        this.waiting.shift()!()
      }
    }
  }

  /** Waits before the `tries`-th new try of one request. */
  rest(tries: number, signal: AbortSignal, wait = 0): Promise<void> {
    return sleep(Math.max(wait, jitter(Math.min(LONGEST, this.pause * 2 ** (tries - 1)))), signal)
  }

  private storm(since: number, wait: number | undefined): void {
    const now = performance.now()
    // Requests that were under way when the storm was noticed tell nothing new.
    if (since >= this.noticed) {
      this.noticed = now
      this.storms++
      this.limit = Math.max(1, this.limit / 2)
    }
    const own = jitter(Math.min(LONGEST, this.pause * 2 ** (this.storms - 1)))
    this.notBefore = Math.max(this.notBefore, now + (wait || own))
  }

  private turn(signal: AbortSignal, first: boolean): Promise<void> {
    return new Promise((done, failed) => {
      const go = () => {
        signal.removeEventListener('abort', leave)
        done()
      }
      const leave = () => {
        this.waiting.splice(this.waiting.indexOf(go), 1)
        failed(signal.reason)
      }
      if (signal.aborted) return failed(signal.reason)
      signal.addEventListener('abort', leave, { once: true })
      if (first) this.waiting.unshift(go)
      else this.waiting.push(go)
    })
  }
}

/** Between three quarters of `ms` and all of it: requests that failed together do not come back together. */
const jitter = (ms: number) => ms * (0.75 + Math.random() / 4)

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done, failed) => {
    if (signal.aborted) return failed(signal.reason)
    const wake = () => {
      clearTimeout(timer)
      failed(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', wake)
      done()
    }, ms)
    signal.addEventListener('abort', wake, { once: true })
  })
}
