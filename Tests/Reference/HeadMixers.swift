/// GLA, HGRN2, DeltaNet and Gated DeltaNet in Double, token by token, one document in, its outputs out.

import Foundation

extension MixerReference {
  /// f(depthwise filter over the last W inputs) where there is one, else `bare` of the input.
  func short(
    _ name: String, _ x: [[Double]], at t: Int, _ f: (Double) -> Double, bare: (Double) -> Double = { $0 }
  ) -> [Double] {
    let weight = self[name + ".weight"], bias = self[name + ".bias"]
    guard !weight.isEmpty else { return x[t].map(bare) }
    let W = weight.count / x[t].count
    return x[t].indices.map { e in
      f(
        (0..<W).reduce(bias.isEmpty ? 0 : bias[e]) {
          let s = t - (W - 1) + $1
          return s < 0 ? $0 : $0 + weight[e * W + $1] * x[s][e]
        })
    }
  }

  private func normed(_ y: [Double], epsilon: Double, scale: [Double]) -> [Double] {
    let mean = y.reduce(0) { $0 + $1 * $1 } / Double(y.count)
    return y.indices.map { y[$0] / (mean + epsilon).squareRoot() * (scale.isEmpty ? 1 : scale[$0]) }
  }

  /// Norm of each head, gate and output projection.
  private func output(
    _ y: [[Double]], _ x: [Double], epsilon: Double, norm: String, gate: (Double) -> Double
  ) -> [Double] {
    var joined = y.flatMap { normed($0, epsilon: epsilon, scale: self[norm]) }
    if !self["g_proj.weight"].isEmpty {
      joined = zip(joined, product("g_proj.weight", x)).map { $0 * gate($1) }
    }
    return product("o_proj.weight", joined)
  }

  private func head(_ x: [Double], _ h: Int, _ width: Int) -> [Double] {
    Array(x[h * width..<(h + 1) * width])
  }

  /// Yang et al. 2023, equation 3 and §4.4.
  package func gla(
    _ x: [[Double]], heads H: Int, groups G: Int, keyWidth K: Int, temperature: Double, least: Double,
    epsilon: Double, feature: (Double) -> Double, gate: (Double) -> Double
  ) -> [[Double]] {
    let V = self["v_proj.weight"].count / x[0].count / G
    func projected(_ name: String) -> [[Double]] { x.map { product(name, $0) } }
    let qs = projected("q_proj.weight"), ks = projected("k_proj.weight"), vs = projected("v_proj.weight")
    var S = [Double](repeating: 0, count: H * K * V)
    return x.indices.map { t in
      let q = short("q_conv1d", qs, at: t, silu), k = short("k_conv1d", ks, at: t, silu)
      let v = short("v_conv1d", vs, at: t, silu)
      let logits = sum(
        product("gk_proj.1.weight", product("gk_proj.0.weight", x[t])), self["gk_proj.1.bias"])
      let y = (0..<H).map { h in
        let g = h / (H / G)
        var y = [Double](repeating: 0, count: V)
        for i in 0..<K {
          let decay = exp(max(log(sigmoid(logits[g * K + i])) / temperature, least))
          for j in 0..<V {
            let s = (h * K + i) * V + j
            S[s] = decay * S[s] + feature(k[g * K + i]) * v[g * V + j]
            y[j] += feature(q[h * K + i]) / Double(K).squareRoot() * S[s]
          }
        }
        return y
      }
      return output(y, x[t], epsilon: epsilon, norm: "g_norm.weight", gate: gate)
    }
  }

  /// Qin et al. 2024, §3.
  package func hgrn2(_ x: [[Double]], heads H: Int, keyWidth K: Int, epsilon: Double) -> [[Double]] {
    let V = x[0].count / H
    func projected(_ name: String) -> [[Double]] { x.map { product(name, $0) } }
    let qs = projected("q_proj.weight"), fs = projected("f_proj.weight"), inputs = projected("i_proj.weight")
    let bounds = self["lower_bound_logit"].map(sigmoid)
    var S = [Double](repeating: 0, count: H * K * V)
    return x.indices.map { t in
      let q = short("q_conv1d", qs, at: t) { $0 }.map(silu), f = short("f_conv1d", fs, at: t) { $0 }
      let v = short("i_conv1d", inputs, at: t) { $0 }
      var y = [Double](repeating: 0, count: H * V)
      for h in 0..<H {
        for i in h * K..<(h + 1) * K {
          let bound = bounds.isEmpty ? 0 : bounds[i]
          let gate = bound + (1 - bound) * sigmoid(f[i])
          for j in 0..<V {
            S[i * V + j] = gate * S[i * V + j] + (1 - gate) * v[h * V + j]
            y[h * V + j] += q[i] / Double(K).squareRoot() * S[i * V + j]
          }
        }
      }
      return product("o_proj.weight", normed(y, epsilon: epsilon, scale: self["g_norm.weight"]))
    }
  }

  /// One step of the delta rule on the memory [K V] of a head: Yang et al. 2024 (Gated DeltaNet), equation 10.
  private func delta(
    _ S: inout [Double], q: [Double], k: [Double], v: [Double], decay: Double, strength: Double
  ) -> [Double] {
    let V = v.count
    for s in S.indices { S[s] *= decay }
    let held = v.indices.map { j in k.indices.reduce(0) { $0 + k[$1] * S[$1 * V + j] } }
    for i in k.indices { for j in 0..<V { S[i * V + j] += strength * k[i] * (v[j] - held[j]) } }
    return v.indices.map { j in
      q.indices.reduce(0) { $0 + q[$1] / Double(q.count).squareRoot() * S[$1 * V + j] }
    }
  }

  private func unit(_ x: [Double]) -> [Double] {
    let size = (x.reduce(0) { $0 + $1 * $1 } + 1e-6).squareRoot()
    return x.map { $0 / size }
  }

  package func deltaNet(
    _ x: [[Double]], heads H: Int, keyWidth K: Int, epsilon: Double, isSum: Bool, isNegative: Bool,
    activation: (Double) -> Double
  ) -> [[Double]] {
    let V = self["v_proj.weight"].count / x[0].count / H
    func projected(_ name: String) -> [[Double]] { x.map { product(name, $0) } }
    let qs = projected("q_proj.weight"), ks = projected("k_proj.weight"), vs = projected("v_proj.weight")
    var S = [[Double]](repeating: [Double](repeating: 0, count: K * V), count: H)
    func key(_ x: [Double]) -> [Double] {
      isSum ? x.map { $0 / max(x.reduce(0) { $0 + abs($1) }, 1e-6) } : unit(x)
    }
    return x.indices.map { t in
      let q = short("q_conv1d", qs, at: t, activation, bare: activation)
      let k = short("k_conv1d", ks, at: t, activation, bare: activation)
      let v = short("v_conv1d", vs, at: t, silu, bare: silu)
      let b = self["b_proj.weight"]
      let strengths =
        b.isEmpty ? [Double](repeating: 1, count: H) : product("b_proj.weight", x[t]).map(sigmoid)
      let y = (0..<H).map { h in
        delta(
          &S[h], q: key(head(q, h, K)), k: key(head(k, h, K)).map(rounding), v: head(v, h, V), decay: 1,
          strength: strengths[h] * (isNegative ? 2 : 1))
      }
      return output(y, x[t], epsilon: epsilon, norm: "o_norm.weight", gate: silu)
    }
  }

  package func gatedDeltaNet(
    _ x: [[Double]], heads H: Int, valueHeads: Int, keyWidth K: Int, epsilon: Double, isNegative: Bool,
    gate: (Double) -> Double
  ) -> [[Double]] {
    let V = self["v_proj.weight"].count / x[0].count / valueHeads
    func projected(_ name: String) -> [[Double]] { x.map { product(name, $0) } }
    let qs = projected("q_proj.weight"), ks = projected("k_proj.weight"), vs = projected("v_proj.weight")
    var S = [[Double]](repeating: [Double](repeating: 0, count: K * V), count: valueHeads)
    return x.indices.map { t in
      let q = short("q_conv1d", qs, at: t, silu, bare: silu),
        k = short("k_conv1d", ks, at: t, silu, bare: silu)
      let v = short("v_conv1d", vs, at: t, silu, bare: silu)
      let steps = sum(product("a_proj.weight", x[t]), self["dt_bias"]).map(softplus)
      let strengths = product("b_proj.weight", x[t]).map(sigmoid)
      let y = (0..<valueHeads).map { h in
        let shared = h / (valueHeads / H)
        return delta(
          &S[h], q: unit(head(q, shared, K)), k: unit(head(k, shared, K)).map(rounding), v: head(v, h, V),
          decay: exp(-exp(self["A_log"][h]) * steps[h]), strength: strengths[h] * (isNegative ? 2 : 1))
      }
      return output(y, x[t], epsilon: epsilon, norm: "o_norm.weight", gate: gate)
    }
  }
}
