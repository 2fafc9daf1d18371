import RunnelKernels
import RunnelReference
import RunnelTensors
import Testing

/// y [count rows] = x Wᵀ on a given instruction set, written over NaN.
private func product(
  _ x: Tensor, _ w: PackedMatrix, on instructions: InstructionSet = .current
) -> Tensor {
  var y = Tensor(repeating: .nan, [x.shape.rows, w.rows])
  let vectors = PackedVectors(x, for: w.element)
  y.mutate { w.multiply(vectors, into: $0, on: instructions) }
  return y
}

private func packed(_ w: Tensor, _ element: PackedElement) throws -> PackedMatrix {
  try PackedMatrix(w, as: element, name: "w")
}

/// What an int8 or int4 product makes of a vector, in the same Float operations: integers times a scale per block.
private func quantised(_ x: [Float]) -> [Double] {
  stride(from: 0, to: x.count, by: 32).flatMap { start in
    let block = x[start..<min(start + 32, x.count)]
    let reach = block.map(abs).max() ?? 0
    let factor = reach < 1e-36 ? 0 : 127 / reach
    let scale = reach < 1e-36 ? 0 : reach / 127
    return block.map { Double(($0 * factor).rounded(.toNearestOrEven)) * Double(scale) }
  }
}

@Suite("a packed product is the product with the weights it gives back")
struct PackedMatrixTests {
  static let shapes = [(1, 32), (7, 48), (16, 1), (33, 1000), (80, 768), (50280, 33)]

  @Test("in every instruction set of this machine", arguments: PackedElement.allCases, shapes)
  func products(element: PackedElement, shape: (Int, Int)) throws {
    let (rows, columns) = shape
    let w = try packed(random([rows, columns], seed: 1), element)
    let weights = w.unpacked().doubles
    let x = random([3, columns], seed: 2)
    for instructions in InstructionSet.present {
      let y = product(x, w, on: instructions)
      var worst = 0.0
      for v in 0..<3 {
        let floats = Array(x.scalars[v * columns..<(v + 1) * columns])
        let values = element.isQuantised ? quantised(floats) : floats.map(Double.init)
        for r in 0..<rows {
          var sum = 0.0, size = 0.0
          for k in 0..<columns {
            let term = weights[r * columns + k] * values[k]
            sum += term
            size += abs(term)
          }
          // Half of the numbers are added in one sum; a block is three roundings more.
          let bound = (Double(columns) / 2 + 4) * 0x1p-24 * size + 1e-37
          worst = max(worst, abs(Double(y[v * rows + r]) - sum) / bound)
        }
      }
      #expect(worst <= 1, "\(instructions)")
    }
  }

  @Test("the vectors lose half a step of their block at most", arguments: [PackedElement.int8, .int4])
  func quantisedVectors(element: PackedElement) throws {
    let (rows, columns) = (21, 200)
    let w = try packed(random([rows, columns], seed: 3), element)
    let weights = w.unpacked().doubles
    let x = random([1, columns], seed: 4)
    let y = product(x, w)
    let values = x.doubles
    for r in 0..<rows {
      var sum = 0.0, bound = 1e-5
      for start in stride(from: 0, to: columns, by: 32) {
        let block = start..<min(start + 32, columns)
        let step = (block.map { abs(values[$0]) }.max() ?? 0) / 127
        for k in block {
          sum += weights[r * columns + k] * values[k]
          bound += abs(weights[r * columns + k]) * step / 2
        }
      }
      #expect(abs(Double(y[r]) - sum) <= bound)
    }
  }

  @Test("the integers give the same bits in every instruction set, the floats the same but for rounding")
  func instructionSets() throws {
    for element in PackedElement.allCases {
      let w = try packed(random([50, 999], seed: 5), element)
      let x = random([6, 999], seed: 6)
      let expected = product(x, w, on: .portable)
      for instructions in InstructionSet.present {
        let y = product(x, w, on: instructions)
        if element.isQuantised {
          #expect(y.scalars == expected.scalars, "\(element), \(instructions)")
        } else {
          #expect(relativeError(y, expected) < 1e-6, "\(element), \(instructions)")
        }
      }
    }
  }

  @Test("many vectors give the bits of each alone", arguments: PackedElement.allCases)
  func batches(element: PackedElement) throws {
    let w = try packed(random([70, 100], seed: 7), element)
    for instructions in InstructionSet.present {
      for count in Array(1...16) + [63, 64, 129] {
        let x = random([count, 100], seed: UInt64(count))
        let y = product(x, w, on: instructions).scalars
        let alone = (0..<count).flatMap { product(x.rows($0..<$0 + 1), w, on: instructions).scalars }
        #expect(y == alone, "\(count) vectors, \(instructions)")
      }
    }
  }

  @Test("rows and columns in parts give the bits of all", arguments: PackedElement.allCases)
  func parts(element: PackedElement) throws {
    let w = try packed(random([83, 71], seed: 1), element), x = random([1, 71], seed: 2)
    let vectors = PackedVectors(count: 1, columns: 71, for: element)
    for columns in [32..<64, 0..<32, 64..<71] { vectors.fill(columns, from: x.base) }
    var y = Tensor(repeating: .nan, [1, 83])
    y.mutate { y in for rows in [48..<83, 0..<16, 16..<48] { w.multiply(vectors, rows: rows, into: y) } }
    let same = y.scalars == product(x, w).scalars
    #expect(same)
  }

  @Test("one thread gives the bits of all", arguments: PackedElement.allCases)
  func threads(element: PackedElement) throws {
    let weight = random([500, 300], seed: 8)
    let w = try packed(weight, element)
    for count in [1, 3, 200] {
      let x = random([count, 300], seed: 9)
      let expected = product(x, w).scalars
      // Inside a job, a job runs on its own thread alone.
      WorkerPool.shared.run(2) { _ in
        #expect(product(x, w).scalars == expected)
        #expect((try? packed(weight, element))?.unpacked().scalars == w.unpacked().scalars)
      }
    }
  }

  @Test("a bias and a residual are added", arguments: PackedElement.allCases)
  func additions(element: PackedElement) throws {
    let w = try packed(random([37, 64], seed: 10), element)
    let x = random([2, 3, 64], seed: 11)
    let bias = random([37], seed: 12)
    let residual = random([2, 3, 37], seed: 13)
    let y = linear(x, w)
    #expect(y.shape == [2, 3, 37])
    #expect(y.scalars == product(x, w).scalars)
    #expect(relativeError(linear(x, w, bias: bias), added(y, bias)) < 1e-6)
    #expect(relativeError(linear(x, w, residual: residual), y + residual) < 1e-6)
    #expect(relativeError(linear(x, w, bias: bias, residual: residual), added(y + residual, bias)) < 1e-6)
    #expect(residual.scalars == random([2, 3, 37], seed: 13).scalars)
  }

  @Test("nothing is a product too", arguments: PackedElement.allCases) func empty(element: PackedElement)
    throws
  {
    #expect(linear(Tensor(zeros: [3, 4]), try packed(Tensor(zeros: [0, 4]), element)).shape == [3, 0])
    #expect(linear(Tensor(zeros: [0, 4]), try packed(Tensor(ones: [5, 4]), element)).shape == [0, 5])
    #expect(
      linear(Tensor(zeros: [2, 0]), try packed(Tensor(zeros: [5, 0]), element)).scalars
        == Array(repeating: 0, count: 10))
  }

  @Test(
    "what is not a number in a vector is seen in its products and in no others",
    arguments: PackedElement.allCases)
  func poisonedVectors(element: PackedElement) throws {
    let w = try packed(random([20, 70], seed: 14), element)
    for poison in [Float.nan, .infinity, -.infinity] {
      var x = random([3, 70], seed: 15)
      let clean = product(x, w).scalars
      x[70 + 40] = poison
      for instructions in InstructionSet.present {
        let y = product(x, w, on: instructions).scalars
        #expect(y[20..<40].allSatisfy { !$0.isFinite }, "\(instructions)")
        #expect(y[..<20].allSatisfy(\.isFinite) && y[40...].allSatisfy(\.isFinite))
        if instructions == .current { #expect(y[..<20] == clean[..<20] && y[40...] == clean[40...]) }
      }
    }
  }
}

@Suite("packing keeps what its type can keep")
struct PackingTests {
  /// Blocks of every size that a Float has, of zeros, and with one large number among small ones.
  static var weights: Tensor {
    var w = random([19, 100], seed: 1)
    let sizes: [Float] = [0, 0x1p-147, 1e-38, 1e-30, 1e-10, 1, 1e10, 1e30, .greatestFiniteMagnitude]
    for r in 0..<19 {
      for k in 0..<100 { w[r * 100 + k] *= sizes[r % sizes.count] }
    }
    w[5 * 100 + 3] = 1000
    w[8 * 100 + 3] = -.greatestFiniteMagnitude
    return w
  }

  @Test func exactly() throws {
    let w = Self.weights
    #expect(try packed(w, .f32).unpacked().scalars == w.scalars)
    for (half, x) in zip(try packed(w, .bf16).unpacked().scalars, w.scalars) {
      #expect(half.bitPattern & 0xffff == 0 && half.isFinite)
      // Next to the largest Float there is no bf16 above.
      let error = abs(x) > 3.38e38 ? 0x1p-7 : 0x1p-8
      #expect(abs(Double(half) - Double(x)) <= error * abs(Double(x)) + 0x1p-134)
    }
    let again = try packed(w, .bf16).unpacked()
    #expect(try packed(again, .bf16).unpacked().scalars == again.scalars)
  }

  @Test func int8ToHalfAStep() throws {
    let w = Self.weights
    let u = try packed(w, .int8).unpacked()
    forEachBlock(w) { range in
      let largest = range.map { abs(Double(w[$0])) }.max() ?? 0
      // The scale is rounded up to a bf16, and next to the largest Float cannot be.
      let step = largest / 127 * (1 + 0x1p-7) + 0x1p-133
      let error = largest > 3.3e38 ? step : step / 2
      for i in range { #expect(u[i].isFinite && abs(Double(u[i]) - Double(w[i])) <= error * 1.0001) }
    }
  }

  @Test("int4 is better than plain rounding to −7 … 7 in every block") func int4() throws {
    let w = Self.weights
    let u = try packed(w, .int4).unpacked()
    forEachBlock(w) { range in
      let largest = range.map { abs(Double(w[$0])) }.max() ?? 0
      let step = largest / 7
      var lost = 0.0, plain = 0.0, size = 0.0
      for i in range {
        let x = Double(w[i])
        #expect(u[i].isFinite)
        lost += (Double(u[i]) - x) * (Double(u[i]) - x)
        let rounded = step == 0 ? 0 : (x / step).rounded() * step
        plain += (rounded - x) * (rounded - x)
        size += x * x
      }
      // Its scale is a bf16; those of the smallest numbers are themselves small integers, and for the largest there
      // must be none that makes an infinity.
      let rounding = size.squareRoot() * 0x1p-8
      guard largest == 0 || (1e-36...2.9e38).contains(largest) else { return }
      #expect(lost.squareRoot() <= plain.squareRoot() + rounding)
    }
  }

  private func forEachBlock(_ w: Tensor, _ body: (Range<Int>) -> Void) {
    let columns = w.shape[1]
    for r in 0..<w.shape[0] {
      for k in stride(from: 0, to: columns, by: 32) {
        body(r * columns + k..<r * columns + min(k + 32, columns))
      }
    }
  }

  @Test(
    "numbers that are not finite are refused with the weight's name and the place",
    arguments: PackedElement.allCases)
  func refusals(element: PackedElement) throws {
    for bad in [Float.nan, .infinity, -.infinity] {
      var w = random([3, 40], seed: 2)
      w[2 * 40 + 7] = bad
      let error = #expect(throws: PackingError.self) {
        try PackedMatrix(w, as: element, name: "layers.0.mixer.in")
      }
      #expect(error?.description.hasPrefix("layers.0.mixer.in: element [2, 7] is \(bad)") == true)
    }
  }

  /// Read here as `runnel_packed.h` tells it.
  @Test("the bytes are those of the documented layout", arguments: PackedElement.allCases, [40, 70, 33])
  func layout(element: PackedElement, columns: Int) throws {
    let rows = 21
    let w = try packed(random([rows, columns], seed: 3), element)
    let u = w.unpacked()
    let blocks = (columns + 31) / 32, block = element == .int8 ? 512 : 256
    let tile =
      switch element {
      case .f32: columns * 64
      case .bf16: (columns + 1) / 2 * 64
      case .int8, .int4: (blocks + 1) / 2 * 64 + blocks * block
      }
    #expect(
      w.byteCount == 2 * tile && PackedMatrix.byteCount(element, rows: rows, columns: columns) == 2 * tile)
    w.withBytes { bytes in
      func half(_ place: Int) -> Float {
        Float(
          bitPattern: UInt32(
            UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt16.self))) << 16)
      }
      func value(_ row: Int, _ k: Int) -> Float {
        let base = row / 16 * tile, r = row % 16
        switch element {
        case .f32:
          return Float(
            bitPattern: UInt32(
              littleEndian: bytes.loadUnaligned(fromByteOffset: base + k * 64 + r * 4, as: UInt32.self)))
        case .bf16: return half(base + k / 2 * 64 + r * 4 + k % 2 * 2)
        case .int8, .int4:
          let b = k / 32, i = k % 32
          let scale = half(base + b / 2 * (64 + 2 * block) + b % 2 * 32 + r * 2)
          let data = base + (b / 2 + 1) * 64 + b * block
          if element == .int8 {
            return Float(Int(bytes[data + i / 4 * 64 + r * 4 + i % 4]) - 128) * scale
          }
          let byte = bytes[data + i / 8 * 64 + r * 4 + i % 4]
          return Float(Int(i % 8 < 4 ? byte & 15 : byte >> 4) - 8) * scale
        }
      }
      for r in 0..<rows {
        for k in 0..<columns { #expect(value(r, k) == u[r * columns + k]) }
      }
      // Rows beyond the last are zeros, for whoever multiplies whole tiles.
      #expect(
        element != .f32
          || bytes[(tile + 5 * 4)...].indices.allSatisfy { ($0 - tile) / 4 % 16 < 5 || bytes[$0] == 0 })
    }
  }

  @Test("a matrix over the bytes of another is that one", arguments: PackedElement.allCases)
  func mapping(element: PackedElement) throws {
    final class Owner: Sendable {}
    let w = try packed(random([21, 70], seed: 4), element)
    let x = random([2, 70], seed: 5)
    w.withBytes { bytes in
      let other = PackedMatrix(element, rows: 21, columns: 70, over: bytes, owner: Owner())
      #expect(linear(x, other).scalars == linear(x, w).scalars)
      #expect(other.copied().unpacked().scalars == w.unpacked().scalars)
    }
  }

  @Test("large matrices take the bits a weight that their type says", arguments: PackedElement.allCases)
  func size(element: PackedElement) {
    let bits = 8 * Double(PackedMatrix.byteCount(element, rows: 50280, columns: 768)) / (50280 * 768)
    #expect(abs(bits - element.bitsPerWeight) < 0.01)
  }
}

@Suite("packed weights and the tape")
struct PackedGradientTests {
  @Test("a product that no gradient could pass is refused, not silently a constant")
  func refused() async {
    await #expect(processExitsWith: .failure) {
      let weight = try PackedMatrix(Tensor(ones: [16, 16]), as: .f32, name: "w")
      _ = linear(Tensor(ones: [2, 16]).tracked(), weight)
    }
    await #expect(processExitsWith: .failure) {
      let weight = Weight(try PackedMatrix(Tensor(ones: [16, 16]), as: .f32, name: "w"), .outputByInput)
      _ = linear(Tensor(ones: [1, 16]).tracked(), weight, sizes: [8, 8])
    }
    await #expect(processExitsWith: .failure) {
      let weight = Weight(try PackedMatrix(Tensor(ones: [16, 16]), as: .bf16, name: "w"), .outputByInput)
      _ = linearCrossEntropy(Tensor(ones: [2, 16]).tracked(), weight, targets: [1, 2])
    }
  }
}

@Suite("a weight is multiplied as it is stored")
struct WeightLayoutTests {
  /// Square, so that its shape fits either way.
  static var turned: Weight { Weight(Tensor(ones: [16, 16]), .inputByOutput) }
  static var usual: Weight { Weight(Tensor(ones: [16, 16]), .outputByInput) }

  @Test("a weight of the other layout is refused: packed, it would be another function than as numbers")
  func refused() async {
    let x = Tensor(ones: [1, 16])
    #expect(product(x, Self.turned).scalars == linear(x, Self.usual).scalars)
    await #expect(processExitsWith: .failure) { _ = linear(Tensor(ones: [1, 16]), WeightLayoutTests.turned) }
    await #expect(processExitsWith: .failure) {
      _ = linear(Tensor(ones: [1, 16]), WeightLayoutTests.turned, sizes: [8, 8])
    }
    await #expect(processExitsWith: .failure) {
      _ = embedding(WeightLayoutTests.turned, ids: [0], shape: [1])
    }
    await #expect(processExitsWith: .failure) {
      _ = linearCrossEntropy(Tensor(ones: [1, 16]), WeightLayoutTests.turned, targets: [0])
    }
    await #expect(processExitsWith: .failure) { _ = product(Tensor(ones: [1, 16]), WeightLayoutTests.usual) }
  }
}
