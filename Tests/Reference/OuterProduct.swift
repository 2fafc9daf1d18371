/// S_t = w_t S_{t−1} + k_tᵀ v_t, y_t = q_t S_t, in Double loops.

import Foundation

package struct OuterProductReference {
  package var B = 1, T = 1, H = 1, G = 1, K = 1, V = 1
  /// Per row, the tokens before which the state is zero.
  package var resets: [[Int]] = []

  package init(B: Int = 1, T: Int, H: Int, G: Int, K: Int, V: Int, resets: [[Int]] = []) {
    (self.B, self.T, self.H, self.G, self.K, self.V, self.resets) = (B, T, H, G, K, V, resets)
  }

  /// q, k [B T G K], v [B T H V], logDecay empty, [H] or [B T H], state [B H K V] → y [B T H V] and the final
  /// state.
  package func callAsFunction(
    q: [Double], k: [Double], v: [Double], logDecay: [Double], state: [Double]
  ) -> (y: [Double], state: [Double]) {
    var S = state
    var y = [Double](repeating: 0, count: B * T * H * V)
    let logW = { (token: Int, h: Int) in
      logDecay.isEmpty ? 0 : (logDecay.count == H ? logDecay[h] : logDecay[token * H + h])
    }
    for b in 0..<B {
      for t in 0..<T {
        let token = b * T + t
        for h in 0..<H {
          let key = (token * G + h / (H / G)) * K
          let value = (token * H + h) * V
          let isReset = b < resets.count && resets[b].contains(t)
          let w = isReset ? 0 : exp(logW(token, h))
          for i in 0..<K {
            for j in 0..<V {
              let index = ((b * H + h) * K + i) * V + j
              S[index] = w * S[index] + k[key + i] * v[value + j]
              y[value + j] += q[key + i] * S[index]
            }
          }
        }
      }
    }
    return (y, S)
  }
}
