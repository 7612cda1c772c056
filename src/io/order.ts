/**
 * Work that waits for someone else (a server), several pieces at once, with results in the order of the pieces. Memory
 * is bounded by how many are under way. Leaves out stopping what is under way: whoever does the work does that.
 */

export type Many<T> = AsyncIterable<T> | Iterable<T>

/**
 * `work` on each of `items`, `most` at once; results in the order of `items`, each as soon as those before it are there,
 * also while the next item is still awaited. With `most` = 1 nothing is begun before the last result was taken.
 */
export async function* inOrder<T, R>(items: Many<T>, most: number, work: (item: T) => Promise<R>): AsyncGenerator<R> {
  if (most <= 1) {
    for await (const item of items) yield await work(item)
    return
  }
  const source = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]()
  const begun: Promise<R>[] = []
  let coming: Promise<IteratorResult<T>> | undefined
  let ended = false
  try {
    while (!ended || begun.length > 0) {
      if (!ended && begun.length < most) {
        coming ??= Promise.resolve(source.next())
        // The oldest piece may be done before there is another one to begin.
        const came = await (begun.length > 0 ? Promise.race([coming, begun[0].then(() => undefined)]) : coming)
        if (came !== undefined) {
          coming = undefined
          ended = came.done === true
          if (!came.done) {
            const made = work(came.value)
            made.catch(() => {}) // told when its turn comes
            begun.push(made)
          }
          continue
        }
      }
      if (begun.length > 0) yield await begun.shift()!
    }
  } finally {
    coming?.catch(() => {})
    // Not awaited: it may hang in a read that nobody needs any more.
    Promise.resolve(source.return?.()).catch(() => {})
  }
}

export async function collect<T>(items: Many<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}
