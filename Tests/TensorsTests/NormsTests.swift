import RunnelReference
import RunnelTensors
import Testing

@Suite("a norm divides each group by its own size, and its gradients are the central differences")
struct NormsTests {
  /// Rows, width D, groups.
  static let sizes = [(1, 3, 1), (3, 63, 1), (2, 65, 5), (2, 96, 4), (5, 40, 1)]

  @Test("rmsNorm(x) = x / √(mean(x²) + ε) · scale", arguments: sizes)
  func rms(rows: Int, width: Int, groups: Int) {
    expectSame([random([rows, width], seed: 1, -3...3), random([width], seed: 2)]) {
      [rmsNorm($0[0], scale: $0[1], epsilon: 0.01, groups: groups)]
    } reference: {
      [normReference($0[0], scale: $0[1], epsilon: 0.01, groups: groups, centred: false)]
    }
  }

  @Test("layerNorm(x) = (x − mean(x)) / √(variance(x) + ε) · scale + bias", arguments: sizes)
  func layer(rows: Int, width: Int, groups: Int) {
    expectSame([random([rows, width], seed: 1, -1...3), random([width], seed: 2), random([width], seed: 3)]) {
      [layerNorm($0[0], scale: $0[1], bias: $0[2], epsilon: 0.01, groups: groups)]
    } reference: {
      [normReference($0[0], scale: $0[1], bias: $0[2], epsilon: 0.01, groups: groups, centred: true)]
    }
  }

  @Test("the gate multiplies before the norm, or after it", arguments: sizes, [false, true])
  func gated(_ size: (rows: Int, width: Int, groups: Int), normBeforeGate: Bool) {
    let shape: Shape = [size.rows, size.width]
    expectSame([
      random(shape, seed: 1, -3...3), random(shape, seed: 2, -4...4), random([size.width], seed: 3),
    ]) {
      [
        gatedRMSNorm(
          $0[0], gate: $0[1], scale: $0[2], epsilon: 0.01, groups: size.groups, normBeforeGate: normBeforeGate
        )
      ]
    } reference: {
      [
        gatedNormReference(
          $0[0], gate: $0[1], scale: $0[2], epsilon: 0.01, groups: size.groups, normBeforeGate: normBeforeGate
        )
      ]
    }
  }

  @Test("an absent scale or bias changes nothing")
  func absent() {
    expectSame([random([3, 2, 20], seed: 1)]) {
      [
        rmsNorm($0[0], epsilon: 0.01, groups: 2), layerNorm($0[0], bias: .absent, epsilon: 0.01),
      ]
    } reference: {
      let ones = [Double](repeating: 1, count: 20)
      return [
        normReference($0[0], scale: ones, epsilon: 0.01, groups: 2, centred: false),
        normReference($0[0], scale: ones, epsilon: 0.01, groups: 1, centred: true),
      ]
    }
  }

  @Test("a gradient summed over many rows is exact too, and no rows give none")
  func manyRows() {
    let (rows, width) = (1000, 129)
    let x = random([rows, width], seed: 1, -1...2)
    let scale = random([width], seed: 2).tracked()
    let bias = random([width], seed: 3).tracked()
    let seed = random([rows, width], seed: 4)
    let y = layerNorm(x, scale: scale, bias: bias, epsilon: 1e-5)
    let ones = [Double](repeating: 1, count: width)
    let normalised = normReference(x.doubles, scale: ones, epsilon: 1e-5, groups: 1, centred: true)
    var dscale = [Double](repeating: 0, count: width)
    var dbias = dscale
    for i in 0..<rows * width {
      dscale[i % width] += normalised[i] * Double(seed[i])
      dbias[i % width] += Double(seed[i])
    }
    let gradient = gradients(of: [(y, seed)], for: [scale, bias])
    #expect(relativeError(gradient[0], dscale) < 1e-6)
    #expect(relativeError(gradient[1], dbias) < 1e-6)

    let empty = rmsNorm(Tensor(zeros: [0, width]), scale: scale, epsilon: 1e-5)
    #expect(gradients(of: [(empty, empty.detached)], for: [scale])[0].scalars.allSatisfy { $0 == 0 })
  }
}
