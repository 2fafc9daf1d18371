/// S_t = diag(w_t) S_{t−1} + b_tᵀ (a_t S_{t−1}) + k_tᵀ v_t, in Double loops.

import Foundation

package struct MatrixMemoryReference {
  package var B = 1, T = 1, H = 1, G = 1, K = 1, V = 1
  /// Per row, the tokens before which the state is zero.
  package var resets: [[Int]] = []
  /// Whether y_t = q_t S_{t−1} + (q_t · (u ⊙ k_t)) v_t instead of q_t S_t.
  package var readsBefore = false

  package init(
    B: Int = 1, T: Int, H: Int, G: Int, K: Int, V: Int, resets: [[Int]] = [], readsBefore: Bool = false
  ) {
    (self.B, self.T, self.H, self.G, self.K, self.V, self.resets) = (B, T, H, G, K, V, resets)
    self.readsBefore = readsBefore
  }

  /// q, k, a, b [B T G K], v [B T H V], a and b possibly empty; `logDecayAt` gives log w of a row, token, head
  /// and key; bonus [H K] or empty; state [B H K V] → y [B T H V] and the final state.
  package func callAsFunction(
    q: [Double], k: [Double], v: [Double], a: [Double], b: [Double],
    logDecayAt: (_ b: Int, _ t: Int, _ h: Int, _ i: Int) -> Double, bonus: [Double], state: [Double]
  ) -> (y: [Double], state: [Double]) {
    var S = state
    var y = [Double](repeating: 0, count: B * T * H * V)
    for row in 0..<B {
      for t in 0..<T {
        for h in 0..<H {
          let key = ((row * T + t) * G + h / (H / G)) * K, value = ((row * T + t) * H + h) * V
          let start = (row * H + h) * K * V
          if row < resets.count && resets[row].contains(t) {
            for index in start..<start + K * V { S[index] = 0 }
          }
          let before = Array(S[start..<start + K * V])
          for i in 0..<K {
            let w = exp(logDecayAt(row, t, h, i))
            for j in 0..<V {
              var next = w * before[i * V + j] + k[key + i] * v[value + j]
              if !a.isEmpty {
                var removed = 0.0
                for l in 0..<K { removed += a[key + l] * before[l * V + j] }
                next += b[key + i] * removed
              }
              S[start + i * V + j] = next
              y[value + j] += q[key + i] * (readsBefore ? before[i * V + j] : next)
              if readsBefore && !bonus.isEmpty {
                y[value + j] += q[key + i] * bonus[h * K + i] * k[key + i] * v[value + j]
              }
            }
          }
        }
      }
    }
    return (y, S)
  }
}
