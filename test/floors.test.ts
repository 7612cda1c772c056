/** The floors of the house: imports only go down, and what is heavy or foreign sits behind one door. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const test = suite('floors')
const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/** From the top floor down. A file imports from its own floor and from those below. */
const FLOORS = ['sophia', 'benchmarks', 'generate', 'train', 'models', 'autodiff', 'graph', 'answers', 'io']
const GROUND = ['src/errors.ts', 'src/random.ts']

/** Packages that only some places may import. */
const DOORS: Record<string, RegExp> = {
  'onnxruntime-node': /^src\/graph\/session\.ts$/,
  '@huggingface/transformers': /^src\/(models\/|generate\/transformers\.ts$)/,
  protobufjs: /^src\/graph\/schema\.ts$/,
  hyparquet: /^src\/io\//,
  'hyparquet-writer': /^src\/io\//,
  ora: /^src\/io\/progress\.ts$/,
}

const files = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
  .filter(entry => entry.isFile() && entry.name.endsWith('.ts'))
  .map(entry => relative(root, join(entry.parentPath, entry.name)))

/** What a file imports, statically or not, type imports included. */
function imports(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8')
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(match => match[1])
}

const floorOf = (file: string) => FLOORS.indexOf(file.split('/')[1])

test('imports only go down', () => {
  for (const file of files) {
    for (const target of imports(file).filter(name => name.startsWith('.'))) {
      const to = relative(root, join(root, dirname(file), target))
      if (GROUND.includes(to)) continue
      if (GROUND.includes(file)) assert.unreachable(`${file} stands on the ground and imports ${to}`)
      if (!file.slice('src/'.length).includes('/')) continue // src/cli.ts serves the commands, above all floors
      assert.ok(floorOf(to) >= floorOf(file), `${file} imports ${to}, which is above it`)
    }
  }
})

test('doors', () => {
  for (const file of files) {
    for (const name of imports(file)) {
      const door = DOORS[name]
      if (door) assert.match(file, door, `${file} imports ${name}`)
    }
  }
})

test('files stay small', () => {
  for (const file of files) {
    const lines = readFileSync(join(root, file), 'utf8').split('\n').length
    assert.ok(lines <= 300, `${file} has ${lines} lines`)
  }
})

test.run()
