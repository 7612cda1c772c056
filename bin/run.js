#!/usr/bin/env node
// Starts the command line: what must hold for every command (a closed pipe, a missing build) and nothing else.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

// `sophia … | head -1`: whoever read us is gone, so nobody needs what would come: end at once, silently.
process.stdout.on('error', error => {
  if (error.code === 'EPIPE') process.exit(0)
  process.stderr.write(`sophia: cannot write to standard output: ${error.message}\n`)
  process.exit(1)
})
process.stderr.on('error', () => {})

if (!existsSync(`${root}dist/src/cli.js`)) {
  process.stderr.write('sophia: not built yet: run `npm run build` in the folder of the repository first\n')
  process.exit(1)
}

const { run, settings } = await import('@oclif/core')
const { tell } = await import('../dist/src/cli.js')
settings.enableAutoTranspile = false
try {
  await run(process.argv.slice(2), { root })
} catch (error) {
  // --help and --version end through an error that carries exit code 0.
  process.exitCode = error?.oclif?.exit === 0 ? 0 : tell(error)
}
