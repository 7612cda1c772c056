/**
 * What the page does, as the browser gets it: plain JavaScript in two pieces, the list (which items, in what order) and
 * the item. Whatever came from a row is put in as text, never as HTML. No backticks here: it is all inside of one.
 */
import { itemScript } from './script-item.ts'
import { listScript } from './script-list.ts'

/** Blocks of data, and elements made from text. */
const common = `
const $ = id => document.getElementById(id)
const held = id => JSON.parse($(id).textContent)
const { keys, titles, items } = held('index')

/** An element; children that are no elements become text. */
function make(tag, properties, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(properties || {})) {
    if (value === undefined || value === false) continue
    if (name in element) element[name] = value
    else element.setAttribute(name, value)
  }
  element.append(...children.flat().filter(child => child || child === 0))
  return element
}

/** What stands after # for an item. An id may be anything, even text that no address can hold. */
function linkOf(item) {
  try {
    return encodeURIComponent(item.id) || '~' + item.block
  } catch {
    return '~' + item.block
  }
}
const byLink = new Map(items.map(item => [linkOf(item), item]))
const byId = new Map(items.map(item => [item.id, item]))

function itemAt(hash) {
  const link = hash.slice(1)
  if (byLink.has(link)) return byLink.get(link)
  try {
    return byId.get(decodeURIComponent(link))
  } catch {
    return undefined
  }
}

const number = value => value.toLocaleString('en')

/** right, wrong, mixed or error, and how it is written. */
function stateOf(item) {
  if (item.samples === 0) return { state: 'error', mark: '!' }
  if (item.right === item.samples) return { state: 'right', mark: '✓' }
  if (item.right === 0) return { state: 'wrong', mark: '✗' }
  return { state: 'mixed', mark: item.right + '/' + item.samples }
}
`

export const script = `'use strict'
{
${common}
${itemScript}
${listScript}
}
`
