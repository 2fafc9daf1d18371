/// One pass of a program over tiles: where the operands of a tile lie, and what is summed over tiles.
///
/// A tile is as many elements as keep all registers in the first cache. How elements are cut into tiles, and tiles into pieces
/// for the pool, depends on shapes and the program alone, and so do sums: the threads change no bit.

import CKernels

/// How the elements of a smaller tensor stand for those of a whole.
struct BroadcastPattern: Sendable {
  /// Extents of the whole and strides in the tensor, innermost last; neighbours that go on in each other are one axis.
  private let extents, strides: Shape
  /// After how many elements of the whole the pattern starts again; nil if it never does.
  let period: Int?
  /// Stretches of so many elements share no element of the tensor, if the pattern never starts again.
  let unit: Int
  /// Whether the period is the tensor itself.
  var isVector: Bool { strides == [0, 1] }

  init(of shape: Shape, in whole: Shape) {
    var extents = Shape([]), strides = Shape([])
    var stride = shape.elements
    for axis in 0..<whole.rank where whole[axis] != 1 {
      let own = axis - (whole.rank - shape.rank)
      let extent = own < 0 ? 1 : shape[own]
      stride /= extent
      let (count, step) = (whole[axis], extent == 1 ? 0 : stride)
      if extents.rank > 0, strides.width == step * count {
        (extents, strides) = (extents.with(width: extents.width * count), strides.with(width: step))
      } else {
        extents.append(count)
        strides.append(step)
      }
    }
    (self.extents, self.strides) = (extents, strides)
    func elements(from axis: Int?) -> Int { extents[(axis ?? extents.rank)...].reduce(1, *) }
    let first = strides.firstIndex { $0 > 0 }
    period = first == 0 ? nil : elements(from: first)
    unit = elements(from: strides.firstIndex(of: 0))
  }

  /// The stretches of the whole's elements start ..< start + count whose elements in the tensor follow each other, or are one:
  /// where they begin, in the stretch and in the tensor, how long they are, and which it is.
  @inline(__always)
  private func forEachRun(
    _ start: Int, _ count: Int, _ body: (_ at: Int, _ index: Int, _ count: Int, _ isOne: Bool) -> Void
  ) {
    let (extent, stride) = (extents.width, strides.width)
    var at = 0
    while at < count {
      var (rest, place) = (start + at).quotientAndRemainder(dividingBy: extent)
      let run = min(extent - place, count - at)
      var index = place * stride
      for axis in (0..<max(0, extents.rank - 1)).reversed() {
        (rest, place) = rest.quotientAndRemainder(dividingBy: extents[axis])
        index += place * strides[axis]
      }
      body(at, index, run, stride == 0)
      at += run
    }
  }

  /// Writes what `x` has for the elements of the whole from `start` on.
  func expand(_ x: UnsafePointer<Float>, _ start: Int, _ count: Int, into y: UnsafeMutablePointer<Float>) {
    forEachRun(start, count) { at, index, count, isOne in
      if isOne {
        (y + at).update(repeating: x[index], count: count)
      } else {
        (y + at).update(from: x + index, count: count)
      }
    }
  }

  /// Adds elements of the whole from `start` on to those of `sum` that stand for them.
  func add(_ x: UnsafePointer<Float>, _ start: Int, _ count: Int, to sum: UnsafeMutablePointer<Float>) {
    forEachRun(start, count) { at, index, count, isOne in
      if isOne {
        sum[index] += Float(runnel_sum(count, x + at))
      } else {
        runnel_add(count, sum + index, x + at, sum + index)
      }
    }
  }
}

/// Where a register that is not scratch lies.
enum ExpressionOperand {
  /// Memory of the whole shape.
  case whole(UnsafeMutablePointer<Float>)
  /// A smaller tensor.
  indirect case part(UnsafePointer<Float>, BroadcastPattern)
  /// What is added to a smaller tensor: the sum over tiles where its pattern starts again, else every tile.
  indirect case sum(UnsafeMutablePointer<Float>, BroadcastPattern)

  fileprivate var pattern: BroadcastPattern? {
    switch self {
    case .whole: nil
    case .part(_, let pattern), .sum(_, let pattern): pattern
    }
  }
}

/// How the elements of a shape are cut for a program.
struct ExpressionTiles {
  let count: Int
  /// The pattern of every smaller operand starts again after a row, or rows share no element of it.
  let row: Int
  /// The most elements of a tile.
  let tile: Int
  /// Elements from one tile to the next at the same place of a row: as many whole rows as go into a tile, or one row.
  let span: Int

  init(count: Int, registers: Int, _ operands: [ExpressionOperand]) {
    self.count = count
    row = operands.reduce(1) { row, operand in
      operand.pattern.map { max(row, $0.period ?? $0.unit) } ?? row
    }
    // 40 KB of registers.
    let most = max(256, min(2048, 10_240 / registers / 16 * 16))
    span = min(count, max(1, most / row) * row)
    tile = min(span, most)
  }

  var rows: Int { count / row }
}

extension ExpressionProgram {
  /// Runs over rows of the whole.
  func run(_ rows: Range<Int>, _ tiles: ExpressionTiles, _ operands: [ExpressionOperand]) {
    var buffers = scratch
    for operand in operands {
      if case .whole = operand { continue }
      buffers += 1
    }
    let memory = Storage(capacity: buffers * tiles.tile)
    withUnsafeTemporaryAllocation(of: UnsafeMutablePointer<Float>.self, capacity: registers) { buffer in
      guard let registers = buffer.baseAddress else { return }
      withExtendedLifetime(memory) {
        var at = memory.base
        for i in buffer.indices {
          buffer.initializeElement(at: i, to: at)
          if i < operands.count, case .whole = operands[i] { continue }
          at += tiles.tile
        }
        let range = rows.lowerBound * tiles.row..<rows.upperBound * tiles.row
        for start in stride(from: 0, to: tiles.span, by: tiles.tile) {
          runColumns(start, min(tiles.tile, tiles.span - start), of: range, tiles, operands, registers)
        }
      }
    }
  }

  /// The tiles that begin at the same place of a row.
  private func runColumns(
    _ start: Int, _ length: Int, of range: Range<Int>, _ tiles: ExpressionTiles,
    _ operands: [ExpressionOperand],
    _ registers: UnsafeMutablePointer<UnsafeMutablePointer<Float>>
  ) {
    for (i, operand) in operands.enumerated() {
      switch operand {
      case .part(let x, let pattern) where pattern.period == tiles.span && pattern.isVector:
        registers[i] = UnsafeMutablePointer(mutating: x + start)
      case .part(let x, let pattern) where pattern.period != nil:
        pattern.expand(x, start, length, into: registers[i])
      case .sum(_, let pattern) where pattern.period != nil:
        registers[i].update(repeating: 0, count: length)
      default: break
      }
    }
    for at in stride(from: range.lowerBound + start, to: range.upperBound, by: tiles.span) {
      let n = min(length, range.upperBound - at)
      for i in operands.indices {
        switch operands[i] {
        case .whole(let x): registers[i] = x + at
        case .part(let x, let pattern) where pattern.period == nil:
          pattern.expand(x, at, n, into: registers[i])
        default: break
        }
      }
      runnel_run(instructions.count, instructions, n, registers)
      for i in operands.indices {
        if case .sum(let sum, let pattern) = operands[i], pattern.period == nil {
          pattern.add(registers[i], at, n, to: sum)
        }
      }
    }
    for (i, operand) in operands.enumerated() {
      if case .sum(let sum, let pattern) = operand, pattern.period != nil {
        pattern.add(registers[i], start, length, to: sum)
      }
    }
  }
}
