import RunnelRecurrences
import RunnelReference
import RunnelTensors
import Testing

/// A use of the recurrence, by the kinds of its decays, removal and reads.
private struct Use: Sendable, CustomTestStringConvertible {
  enum Decays { case none, perHead, perToken, perKey, perHeadAndKey }
  enum Removal { case none, normalised }
  enum Reads { case after, before, beforeWithBonus }
  let testDescription: String
  let decays: Decays
  let removal: Removal
  let reads: Reads
  var log: ClosedRange<Float> = -0.5...0
  var isMixed = false

  init(
    _ description: String, _ decays: Decays, _ removal: Removal = .none, _ reads: Reads = .after
  ) {
    (testDescription, self.decays, self.removal, self.reads) = (description, decays, removal, reads)
  }

  static let all = [
    Use("linear attention", .none), Use("RetNet", .perHead), Use("Mamba-2", .perToken), Use("GLA", .perKey),
    Use("RWKV-6", .perKey, .none, .beforeWithBonus), Use("RWKV-5", .perHeadAndKey, .none, .beforeWithBonus),
    Use("DeltaNet", .none, .normalised), Use("gated DeltaNet", .perToken, .normalised),
    Use("RWKV-7", .perKey, .normalised), Use("removal, read before", .perKey, .normalised, .before),
    Use("constant, removal", .perHeadAndKey, .normalised),
    Use("removal, own token", .perHead, .normalised, .beforeWithBonus),
    Use("scalars, read before", .perToken, .none, .beforeWithBonus),
  ]

  func decaying(_ log: ClosedRange<Float>, isMixed: Bool = false) -> Use {
    var use = self
    (use.log, use.isMixed) = (log, isMixed)
    return use
  }

  func logShape(_ B: Int, _ T: Int, _ H: Int, _ K: Int) -> Shape? {
    switch decays {
    case .none: nil
    case .perHead: [H]
    case .perToken: [B, T, H]
    case .perKey: [B, T, H, K]
    case .perHeadAndKey: [H, K]
    }
  }

  private func decay(_ log: Tensor?) -> MatrixMemory.Decay {
    guard let log else { return .none }
    return switch decays {
    case .none: .none
    case .perHead: .perHead(log)
    case .perToken: .perToken(log)
    case .perKey: .perKey(log)
    case .perHeadAndKey: .perHeadAndKey(log)
    }
  }

  /// The operands are q, k, v, then a and b, the decays and the bonus where there are such, and the state.
  func laws(B: Int = 2, H: Int, G: Int? = nil, K: Int, V: Int, chunk: Int? = nil) -> RecurrenceLaws {
    let G = G ?? H
    let two = removal == .normalised, own = reads == .beforeWithBonus
    let hasDecays = decays != .none
    let logIndex = 3 + (two ? 2 : 0), bonusIndex = logIndex + (hasDecays ? 1 : 0)
    return RecurrenceLaws(
      operands: { T in
        var x = [
          random([B, T, G, K], seed: 31), random([B, T, G, K], seed: 32), random([B, T, H, V], seed: 33),
        ]
        if two {
          let a = unitRows(random([B, T, G, K], seed: 34))
          // −β a with β in (0, 1) for every token, and slightly off, so that a and b are different vectors.
          let beta = random([B, T, G], seed: 35, 0...1).scalars,
            off = random(a.shape, seed: 36, 0.9...1).scalars
          x += [a, Tensor(a.scalars.enumerated().map { -beta[$0 / K] * off[$0] * $1 }, a.shape)]
        }
        if let shape = logShape(B, T, H, K) {
          let logs =
            log.upperBound == -.infinity ? Tensor(repeating: -.infinity, shape) : random(shape, seed: 37, log)
          x.append(
            isMixed ? Tensor(logs.scalars.enumerated().map { $0 % 3 == 0 ? -20 : $1 }, shape) : logs)
        }
        if own { x.append(random([H, K], seed: 38)) }
        return x + [random([B, H, K, V], seed: 39)]
      },
      isOverTime: [true, true, true] + (two ? [true, true] : [])
        + (hasDecays ? [decays == .perToken || decays == .perKey] : []) + (own ? [false] : []) + [false],
      run: { x, form, resets, state in
        let call = (
          decay: decay(hasDecays ? x[logIndex] : nil), removal: two ? (a: x[3], b: x[4]) : nil,
          reads: reads == .after ? MatrixMemory.Reads.after : .before(bonus: own ? x[bonusIndex] : nil)
        )
        return MatrixMemory.run(
          q: x[0], k: x[1], v: x[2], decay: call.decay, removal: call.removal, reads: call.reads, form: form,
          resets: resets, state: &state, chunk: chunk)
      },
      reference: { x, T, resets in
        let reference = MatrixMemoryReference(
          B: B, T: T, H: H, G: G, K: K, V: V, resets: resets.rows, readsBefore: reads != .after)
        let (y, final) = reference(
          q: x[0], k: x[1], v: x[2], a: two ? x[3] : [], b: two ? x[4] : [],
          logDecayAt: { b, t, h, i in
            switch decays {
            case .none: 0
            case .perHead: x[logIndex][h]
            case .perToken: x[logIndex][(b * T + t) * H + h]
            case .perKey: x[logIndex][((b * T + t) * H + h) * K + i]
            case .perHeadAndKey: x[logIndex][h * K + i]
            }
          }, bonus: own ? x[bonusIndex] : [], state: x[x.count - 1])
        return (y, final)
      })
  }
}

extension Use {
  /// Gradients of all operands of a call without resets.
  fileprivate func gradients(steps: Int = 40, chunk: Int) -> [Tensor] {
    let laws = laws(H: 4, G: 2, K: 5, V: 4, chunk: chunk)
    let x = laws.operands(steps).map { $0.tracked() }
    var state = x[x.count - 1]
    let y = laws.run(Array(x.dropLast()), .mix, .none, &state)
    return RunnelTensors.gradients(
      of: [(y, random(y.shape, seed: 91)), (state, random(state.shape, seed: 92))], for: x)
  }
}

/// Every row along the last axis divided by its length.
private func unitRows(_ x: Tensor) -> Tensor {
  let width = x.shape[x.shape.rank - 1]
  let values = x.scalars
  return Tensor(
    stride(from: 0, to: values.count, by: width).flatMap { start in
      let row = values[start..<start + width]
      let norm = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
      return row.map { $0 / norm }
    }, x.shape)
}

@Suite("the matrix memory: S_t = diag(w_t) S_{t−1} + b_tᵀ (a_t S_{t−1}) + k_tᵀ v_t, in every form")
struct MatrixMemoryTests {
  private static let resets = Resets(rows: [[3], [0, 5, 11]])

  /// Heads, and groups of queries and keys that they share.
  private static let heads = [(2, 2), (3, 1), (4, 2)]

  @Test("every form is the recurrence", arguments: Use.all)
  private func values(_ use: Use) {
    for steps in [1, 2, 15, 16, 17, 63, 64, 65, 300, 1000] {
      for (H, G) in steps < 100 ? Self.heads : [(4, 2)] {
        let laws = use.laws(H: H, G: G, K: 5, V: 7)
        laws.formsEqualTheReference(steps: steps, resets: .none)
        if steps > 12 { laws.formsEqualTheReference(steps: steps, resets: Self.resets) }
      }
    }
    for (K, V) in [(1, 1), (16, 3), (17, 32), (64, 20), (70, 9), (130, 2)] {
      use.laws(H: 1, K: K, V: V).formsEqualTheReference(steps: 70, resets: Self.resets)
    }
    for chunk in [1, 16, 50, 64, 128] {
      use.laws(H: 2, G: 1, K: 20, V: 6, chunk: chunk).formsEqualTheReference(steps: 201, resets: Self.resets)
    }
    use.laws(B: 9, H: 1, K: 64, V: 65).formsEqualTheReference(steps: 130, resets: .none)
  }

  @Test("every form is the recurrence over 4,096 steps", arguments: Use.all)
  private func long(_ use: Use) {
    use.decaying(-0.02...0).laws(B: 1, H: 2, K: 16, V: 9).formsEqualTheReference(steps: 4096, resets: .none)
  }

  @Test("the gradients of every form are the central differences", arguments: Use.all)
  private func gradients(_ use: Use) {
    for (H, G) in Self.heads {
      use.laws(H: H, G: G, K: 3, V: 2).gradientsEqualCentralDifferences(steps: 1, resets: .none)
      use.laws(H: H, G: G, K: 3, V: 4).gradientsEqualCentralDifferences(steps: 13, resets: Self.resets)
    }
    for chunk in [1, 4, 16] {
      use.laws(H: 1, K: 3, V: 2, chunk: chunk).gradientsEqualCentralDifferences(
        steps: 21, resets: Self.resets)
    }
    use.laws(B: 1, H: 2, G: 1, K: 2, V: 2).gradientsEqualCentralDifferences(steps: 70, resets: .none)
    use.laws(B: 5, H: 4, G: 1, K: 2, V: 3).gradientsEqualCentralDifferences(steps: 12, resets: Self.resets)
    use.laws(H: 1, K: 18, V: 2).gradientsEqualCentralDifferences(steps: 18, resets: .none)
    use.laws(H: 2, K: 70, V: 17).gradientsOfMixEqualThoseOfTheFold(steps: 69)
    use.laws(H: 4, G: 2, K: 20, V: 33).gradientsOfMixEqualThoseOfTheFold(steps: 140)
  }

  @Test("in chunks of any length the gradients are the same", arguments: Use.all)
  private func chunks(_ use: Use) {
    let expected = use.gradients(steps: 257, chunk: 1)
    for chunk in [16, 64, 128, 256] {
      for (gradient, expected) in zip(use.gradients(steps: 257, chunk: chunk), expected) {
        #expect(relativeError(gradient, expected) < 1e-5, "chunks of \(chunk)")
      }
    }
  }

  @Test("no gradient on the final state is one of zero", arguments: Use.all)
  private func unseeded(_ use: Use) {
    let laws = use.laws(H: 4, G: 2, K: 5, V: 4)
    let x = laws.operands(70).map { $0.tracked() }
    var state = x[x.count - 1]
    let y = laws.run(Array(x.dropLast()), .mix, Self.resets, &state)
    let seed = (y, random(y.shape, seed: 91))
    let expected = RunnelTensors.gradients(of: [seed, (state, Tensor(zeros: state.shape))], for: x)
    for (gradient, expected) in zip(RunnelTensors.gradients(of: [seed], for: x), expected) {
      #expect(relativeError(gradient, expected) < 1e-6)
    }
  }

  private static let decaying = Use.all.filter { $0.decays != .none }

  @Test("strong decays, and weak ones beside them, stay right", arguments: decaying)
  private func strongDecays(_ use: Use) {
    for use in [
      use.decaying(-20 ... -20), use.decaying(-0.1...0, isMixed: true), use.decaying(-8...0),
      use.decaying(-(.infinity) ... -(.infinity)),
    ] {
      let laws = use.laws(H: 4, G: 2, K: 5, V: 4)
      laws.formsEqualTheReference(steps: 200, resets: Self.resets)
    }
    for use in [use.decaying(-9 ... -6), use.decaying(-0.1...0, isMixed: true)] {
      use.laws(H: 2, K: 4, V: 3).gradientsEqualCentralDifferences(steps: 13, resets: Self.resets)
    }
    // Differences cannot resolve e⁻²⁰ beside one. In chunks of one token all of a decay's gradient comes
    // from the states around it, in longer ones most of it from pairs of tokens: they agree to the last
    // digits.
    let strong = use.decaying(-21 ... -19)
    let expected = strong.gradients(chunk: 1)
    for chunk in [7, 16, 64] {
      for (gradient, expected) in zip(strong.gradients(chunk: chunk), expected) {
        #expect(relativeError(gradient, expected) < 1e-5, "chunks of \(chunk)")
        #expect(gradient.scalars.contains { $0 != 0 })
      }
    }
  }

  @Test("a decay of exactly zero has finite gradients", arguments: decaying)
  private func zeroDecay(_ use: Use) {
    let laws = use.laws(H: 4, G: 2, K: 4, V: 3)
    var x = laws.operands(40)
    let log = use.removal == .normalised ? 5 : 3
    x[log] = Tensor(repeating: -.infinity, x[log].shape)
    let tracked = x.map { $0.tracked() }
    var state = tracked[x.count - 1]
    let y = laws.run(Array(tracked.dropLast()), .mix, .none, &state)
    let all = RunnelTensors.gradients(
      of: [(y, Tensor(ones: y.shape)), (state, Tensor(ones: state.shape))], for: tracked)
    #expect(all.allSatisfy { $0.scalars.allSatisfy(\.isFinite) })
    #expect(all[log].scalars.allSatisfy { $0 == 0 })
  }

  @Test("a decay of exactly one is no decay", arguments: decaying)
  private func noDecay(_ use: Use) {
    let laws = use.decaying(0...0).laws(H: 4, G: 2, K: 5, V: 7)
    let plain = Use("", .none, use.removal, use.reads).laws(H: 4, G: 2, K: 5, V: 7)
    let x = laws.operands(150), log = use.removal == .normalised ? 5 : 3
    // What is removed is solved for, from scores that come another way.
    let tolerance = use.removal == .none ? 1e-6 : 1e-5
    let others = x.indices.filter { $0 != log }.map { x[$0] }
    for form in Form.allCases {
      var state = x[x.count - 1], expectedState = state
      let y = laws.run(Array(x.dropLast()), form, Self.resets, &state)
      let expected = plain.run(Array(others.dropLast()), form, Self.resets, &expectedState)
      #expect(relativeError(y, expected) < tolerance, "\(form)")
      #expect(relativeError(state, expectedState) < tolerance, "\(form)")
    }
  }

  @Test("a gradient that is not asked for is not needed by the others", arguments: Use.all)
  private func single(_ use: Use) {
    let laws = use.laws(H: 4, G: 2, K: 5, V: 4)
    let plain = laws.operands(70)
    func gradients(_ tracked: Range<Int>) -> [Tensor] {
      let x = plain.indices.map { tracked.contains($0) ? plain[$0].tracked() : plain[$0] }
      var state = x[x.count - 1]
      let y = laws.run(Array(x.dropLast()), .mix, Self.resets, &state)
      return RunnelTensors.gradients(
        of: [(y, random(y.shape, seed: 91)), (state, random(state.shape, seed: 92))], for: Array(x[tracked]))
    }
    let all = gradients(plain.indices)
    for i in plain.indices { #expect(gradients(i..<i + 1)[0].scalars == all[i].scalars) }
  }

  @Test(
    "a stream may change form at any token, and a packed document is the document alone", arguments: Use.all)
  private func streams(_ use: Use) {
    let laws = use.laws(H: 4, G: 2, K: 20, V: 6)
    laws.formsMayChangeAtAnyToken(steps: 200)
    for start in [1, 16, 45, 299] { laws.aPackedDocumentIsTheDocumentAlone(steps: 300, at: start) }
  }

  @Test(
    "no tokens give no result and leave the state, on a tape and without; so do no rows", arguments: Use.all)
  private func empty(_ use: Use) {
    let laws = use.laws(H: 4, G: 2, K: 5, V: 4)
    laws.formsEqualTheReference(steps: 0, resets: .none)
    laws.nothingIsNothing()
  }

  @Test("a step of one token changes the state in place")
  func inPlace() {
    let x = random([2, 1, 3, 4], seed: 1)
    var state = random([2, 3, 4, 4], seed: 2)
    let before = state.base
    _ = MatrixMemory.run(q: x, k: x, v: x, decay: .none, removal: (x, x), form: .step, state: &state)
    #expect(state.base == before)
  }
}
