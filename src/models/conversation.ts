/**
 * How the authors' InternVL checkpoints (`internvl_chat`) talk. Their config.json names a conversation that is written
 * down in the code of their repositories; here are the names whose turns are ChatML's, which all have but the Phi-3 and
 * Llama-3 ones. A chat template that a checkpoint has itself goes before this.
 */

import { chatTemplate } from './chat.ts'
import { addedTokens, type Config, eosOf, readJson } from './config.ts'
import { writeFiles } from './write.ts'

interface Conversation {
  /** What the system says where nobody else does. */
  system: string
  /** Ends a turn. */
  end: string
}

const INTERNVL2 =
  '你是由上海人工智能实验室联合商汤科技开发的书生多模态大模型，英文名叫InternVL, 是一个有用无害的人工智能助手。'
const INTERNVL2_5 =
  '你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。'

const CONVERSATIONS: Record<string, Conversation> = {
  internvl2_5: { system: INTERNVL2_5, end: '<|im_end|>\n' }, // InternVL3's too
  'internlm2-chat': { system: INTERNVL2, end: '<|im_end|>' },
  'Hermes-2': { system: INTERNVL2, end: '<|im_end|>' },
}

const templateOf = ({ system, end }: Conversation) =>
  [
    `{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\n${system}${end}' }}{% endif %}`,
    `{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '${end}' }}{% endfor %}`,
    `{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`,
  ]
    .join('')
    .replaceAll('\n', '\\n')

/**
 * Gives a folder that has a tokenizer what it needs to talk: a chat template, and among the tokens that end a response the
 * one that ends a turn, which the authors' code stops at whatever their configs say.
 */
export async function writeConversation(folder: string, config: Config): Promise<void> {
  const conversation = CONVERSATIONS[config.template as string]
  const settings = await readJson(folder, 'tokenizer_config.json')
  if (config.model_type !== 'internvl_chat' || !conversation || !settings) return
  if (!settings.chat_template && !(await chatTemplate(folder))) {
    await writeFiles(folder, { 'tokenizer_config.json': { ...settings, chat_template: templateOf(conversation) } })
  }
  const generation = (await readJson(folder, 'generation_config.json')) ?? {}
  const eos = await eosOf(folder, config, generation)
  const stop = (await addedTokens(folder)).find(({ content }) => content === conversation.end.trim())
  if (!stop || eos.includes(stop.id)) return
  await writeFiles(folder, { 'generation_config.json': { ...generation, eos_token_id: [...eos, stop.id] } })
}
