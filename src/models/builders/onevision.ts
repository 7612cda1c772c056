/**
 * LLaVA-OneVision (Li et al. 2024): LLaVA over the tiles of a picture (anyres). A picture's features are put together
 * from those of its tiles: which, and with what weights where the grid was shrunk, follows from its size alone and
 * comes from outside (pictures/anyres.ts), so that the graph has no branches. Left out: videos.
 */

import type { Graph } from '../../graph/ir.ts'
import type { Weights } from './layers.ts'
import { type LlavaConfig, llava, projected } from './llava.ts'
import { sideOf } from './vit.ts'

export function llavaOnevision(config: LlavaConfig, weights: Weights): Record<string, Graph> {
  const usual = { vision_feature_layer: -1, vision_feature_select_strategy: 'full' }
  return llava({ ...usual, ...config }, weights, visionEncoder)
}

/**
 * pixel_values (tiles, C, H, W);
 * feature_rows (features, 4): rows among the patches of the feature's own picture, tile after tile;
 * feature_weights (features, 4): what these weigh, and what is missing to 1 is the weight of image_newline;
 * feature_tiles (features): of a picture's last feature the number of its tiles, of all others 0, so that a running sum
 * says how many tiles come before a feature's picture
 * → image_features (features, D of the language model)
 */
function visionEncoder(config: LlavaConfig, weights: Weights): Graph {
  const { net, features } = projected(config, weights)
  const { g } = net
  const width = config.text_config.hidden_size
  const rows = net.input('feature_rows', 'int64', ['features', 4])
  const shares = g.input('feature_weights', 'float32', ['features', 4])
  const tiles = net.input('feature_tiles', 'int64', ['features'])
  const before = g.op('CumSum', [tiles, g.ints(0)], { exclusive: 1 }) // (features)
  const first = g.op('Mul', [g.op('Unsqueeze', [before, g.ints([1])]), g.ints(sideOf(config.vision_config) ** 2)])
  const all = net.reshape(features, [-1, width]) // (tiles · patches, D)
  const picked = g.op('Gather', [all, net.add(rows, first)]) // (features, 4, D)
  const mixed = g.op('MatMul', [g.op('Unsqueeze', [net.as(shares), g.ints([1])]), picked]) // (features, 1, D)
  const rest = g.op('Sub', [g.scalar(1), g.op('ReduceSum', [shares, g.ints([1])], { keepdims: 1 })]) // (features, 1)
  const newline = g.op('Mul', [net.as(rest), net.weight('image_newline', [width])]) // (features, D)
  net.output(net.add(net.reshape(mixed, [-1, width]), newline), 'image_features')
  return net.g
}
