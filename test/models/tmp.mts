import { answers } from './exports.ts'
import { openFolder } from '../../src/models/folder.ts'
import { openPolicy } from '../../src/train/policy.ts'
const ask = [[{ role: 'user' as const, text: 'What is 2?' }], [{ role: 'user' as const, text: 'Hi' }]]
for (const [m, dtype] of [['/tmp/hx/q', 'uint8'], ['/tmp/hx/q', 'int8'], ['/tmp/hx/q', 'bnb4'], ['/tmp/hx/qm', 'q8'], ['/tmp/hx/qm', undefined]] as const) {
  try { console.log(m, dtype, JSON.stringify(await answers(m, ask, { dtype, maxTokens: 8 })), JSON.stringify(await answers(m, [ask[1]], { dtype, maxTokens: 8 }))) } catch (e) { console.log(m, dtype, (e as Error).message.slice(0, 300)) }
  try { await openPolicy(await openFolder(m, { dtype }), { trainVision: false, lora: { rank: 2, alpha: 4, seed: 0 } }); console.log('lora ok') } catch (e) { console.log('lora', (e as Error).message.slice(0, 300)) }
}
