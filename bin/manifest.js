// Writes oclif.manifest.json: with it `sophia --help` need not load the commands, so it answers at once.
// Part of `npm run build`. The oclif package does the same, at the price of 300 other packages.
import { rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Config } from '@oclif/core'

const root = fileURLToPath(new URL('..', import.meta.url))
rmSync(`${root}oclif.manifest.json`, { force: true }) // or the old one would be read
const config = new Config({ root })
await config.load()
const { manifest } = config.plugins.get(config.pjson.name)
writeFileSync(`${root}oclif.manifest.json`, `${JSON.stringify(manifest, null, 2)}\n`)
