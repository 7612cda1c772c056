/**
 * Every `$` line of the README runs as it stands, in the order of the page. `npm ci` and `npm test` cannot run inside a
 * test: .ci/run runs them. The demo is run on a few problems (SOPHIA_DEMO_PROBLEMS), to see that it goes through and
 * ends in its line of JSON; what it gains is measured by running it whole (test/LOG.md).
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { root, shell, temporary } from './sophia.ts'

const test = suite('readme')
const dir = temporary()
const ELSEWHERE = ['npm ci', 'npm test']

const readme = readFileSync(join(root, 'README.md'), 'utf8')
const commands = [...readme.matchAll(/^\$ (.+(?:\\\n.+)*)/gm)]
  .map(([, line]) => line.replace(/\s+#.*$/, ''))
  .filter(line => !ELSEWHERE.includes(line))

test('there are commands', () => {
  assert.ok(commands.length >= 6)
})

for (const command of commands) {
  test(command, async () => {
    const few = 'export SOPHIA_DEMO_PROBLEMS=6 TMPDIR="$DIR"'
    const { code, stdout, stderr } = await shell(`${few}; ${command.replaceAll('/tmp/', '$DIR/')}`, dir)
    assert.is(code, 0, `${command}\n${stderr.slice(-2000)}`)
    if (command !== 'npm run demo') return
    const result = JSON.parse(stdout.trimEnd().split('\n').at(-1)!)
    assert.equal(Object.keys(result), ['before', 'after', 'n', 'seconds'])
    assert.is(result.n, 6)
  })
}

test.run()
