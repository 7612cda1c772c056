/**
 * Units of measure as answers name them: one name a unit, its size in a base unit, so that 1 m is 100 cm.
 * What it leaves out: affine scales (Celsius against kelvin) and derived dimensions beyond the common ones.
 */

/** name → [base unit, size]. The base's own size is 1. */
const TABLE: Record<string, readonly [base: string, size: number]> = {
  m: ['m', 1],
  meter: ['m', 1],
  metre: ['m', 1],
  km: ['m', 1e3],
  kilometer: ['m', 1e3],
  kilometre: ['m', 1e3],
  cm: ['m', 0.01],
  centimeter: ['m', 0.01],
  centimetre: ['m', 0.01],
  mm: ['m', 1e-3],
  millimeter: ['m', 1e-3],
  millimetre: ['m', 1e-3],
  dm: ['m', 0.1],
  nm: ['m', 1e-9],
  inch: ['inch', 1],
  inche: ['inch', 1],
  foot: ['inch', 12],
  feet: ['inch', 12],
  ft: ['inch', 12],
  yard: ['inch', 36],
  yd: ['inch', 36],
  mile: ['inch', 63360],
  s: ['s', 1],
  sec: ['s', 1],
  second: ['s', 1],
  min: ['s', 60],
  minute: ['s', 60],
  h: ['s', 3600],
  hr: ['s', 3600],
  hour: ['s', 3600],
  day: ['s', 86400],
  week: ['s', 604800],
  month: ['month', 1],
  year: ['month', 12],
  g: ['g', 1],
  gram: ['g', 1],
  kg: ['g', 1e3],
  kilogram: ['g', 1e3],
  mg: ['g', 1e-3],
  ton: ['g', 1e6],
  tonne: ['g', 1e6],
  lb: ['lb', 1],
  pound: ['lb', 1],
  l: ['l', 1],
  liter: ['l', 1],
  litre: ['l', 1],
  ml: ['l', 1e-3],
  milliliter: ['l', 1e-3],
  gal: ['gal', 1],
  gallon: ['gal', 1],
  dollar: ['dollar', 1],
  cent: ['dollar', 0.01],
  yuan: ['yuan', 1],
  euro: ['euro', 1],
  usd: ['dollar', 1],
  rmb: ['yuan', 1],
  hz: ['hz', 1],
  khz: ['hz', 1e3],
  mhz: ['hz', 1e6],
  n: ['newton', 1],
  newton: ['newton', 1],
  kn: ['newton', 1e3],
  j: ['joule', 1],
  joule: ['joule', 1],
  kj: ['joule', 1e3],
  w: ['watt', 1],
  watt: ['watt', 1],
  kw: ['watt', 1e3],
  pa: ['pascal', 1],
  pascal: ['pascal', 1],
  kpa: ['pascal', 1e3],
  v: ['volt', 1],
  volt: ['volt', 1],
  ohm: ['ohm', 1],
  a: ['ampere', 1],
  ampere: ['ampere', 1],
  k: ['kelvin', 1],
  kelvin: ['kelvin', 1],
  unit: ['unit', 1],
  degree: ['degree', 1],
  radian: ['radian', 1],
  rad: ['radian', 1],
}
const SHORT = /^(?:km|cm|mm|dm|nm|ft|yd|kg|mg|ml|mL|lb|hr|Hz|kHz|MHz|kN|kJ|kW|Pa|kPa)$/

/** Whether a run of plain letters after a number is surely a unit and no product of letters. */
export function isUnit(word: string): boolean {
  if (SHORT.test(word)) return true
  return word.length >= 3 && Object.hasOwn(TABLE, singular(word.toLowerCase()))
}

/** Letters that are units where the text says so: `3\\text{m}`, and `3 m` beside an answer in metres. */
export function isUnitLetter(letter: string): boolean {
  return /^[msghNJWVAKLlC]$/.test(letter)
}

function singular(word: string): string {
  return word.length > 3 && word.endsWith('s') ? word.slice(0, -1) : word
}

/** A unit's base and size; an unknown word is a unit of its own. */
export function unitOf(word: string): readonly [base: string, size: number] {
  const name = singular(word.trim().toLowerCase())
  return Object.hasOwn(TABLE, name) ? TABLE[name] : [name, 1]
}

const SILENT = /^(?:of|the|is|a|an|about)$/

/** The units of a phrase, `m/s^2` or `square cm` or `radians per second`: names and powers, in order; silent words left out. */
export function unitWords(phrase: string): { name: string; power: number }[] {
  const out: { name: string; power: number }[] = []
  let over = false
  for (const [, name, power, slash] of phrase.matchAll(/([a-zA-Z\u00b5-\uffff]+)(?:\^?\{?(-?\d)\}?)?|(\/)/g)) {
    if (slash || name.toLowerCase() === 'per' || name === '每') over = true
    else if (!SILENT.test(name.toLowerCase())) {
      out.push({ name: name.toLowerCase(), power: (over ? -1 : 1) * Number(power ?? 1) })
      over = false
    }
  }
  return out
}
