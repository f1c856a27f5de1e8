const stand_in = new URL('./fs.mjs', import.meta.url).href

export function resolve(specifier, context, next) {
  return specifier === 'fs' ? { url: stand_in, shortCircuit: true } : next(specifier, context)
}
