/// One pass of a program over tiles: where the operands of a tile lie, and what is summed over tiles.
///
/// Without smaller operands the elements of a piece are one tile, which the loops cut by themselves. With them a tile is so short
/// that what is written out of each, or summed for it, stays in the first cache. How elements are cut into tiles, and tiles into
/// pieces for the pool, depends on shapes and the program alone, and so do sums: the threads change no bit.

import CKernels
import RunnelKernels

/// How the elements of a smaller tensor stand for those of a whole.
struct BroadcastPattern: Sendable {
  /// Extents of the whole and strides in the tensor, innermost last; neighbours that go on in each other are one axis.
  private let extents, strides: Shape
  /// After how many elements of the whole the pattern starts again; nil if it never does.
  let period: Int?
  /// Stretches of so many elements share no element of the tensor, if the pattern never starts again.
  let unit: Int
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

extension Shape {
  /// How its elements stand for those of the whole; nil for as many as that has.
  func pattern(in whole: Shape) -> BroadcastPattern? {
    elements == whole.elements ? nil : BroadcastPattern(of: self, in: whole)
  }
}

/// An operand smaller than the whole.
struct ExpressionPart {
  /// Its register.
  let register: Int
  let pattern: BroadcastPattern
  /// Whether elements are summed into it.
  var isSum = false

  /// Whether all rows have one array.
  fileprivate var isPeriodic: Bool { pattern.period != nil }
}

/// Where the registers lie that are not scratch.
typealias ExpressionArrays = UnsafeMutableBufferPointer<UnsafeMutablePointer<Float>>

/// How the elements of a shape are cut for a program.
struct ExpressionTiles {
  let count: Int
  /// The pattern of every smaller operand starts again after a row, or rows share no element of it.
  let row: Int
  /// The most elements of a tile.
  let tile: Int
  /// Elements from one tile to the next at the same place of a row: as many whole rows as go into a tile, or one row.
  let span: Int

  /// The most elements of a tile with smaller operands: 8 KiB of each.
  private static let longest = 2048

  init(count: Int, _ parts: [ExpressionPart]) {
    self.count = count
    row = parts.reduce(1) { max($0, $1.pattern.period ?? $1.pattern.unit) }
    let most = parts.isEmpty ? count : Self.longest
    span = min(count, max(1, most / row) * row)
    tile = min(span, most)
  }

  var rows: Int { count / row }
}

extension ExpressionProgram {
  /// Elements below which handing out work costs more than it saves.
  var grain: Int { max(1024, 2 * elementGrain / (1 + instructions.count)) }

  /// Runs over all rows, on all threads.
  func run(_ tiles: ExpressionTiles, _ bases: ExpressionArrays, _ parts: [ExpressionPart]) {
    WorkerPool.shared.split(tiles.rows, grain: max(1, grain / tiles.row)) { run($0, tiles, bases, parts) }
  }

  /// Runs over some rows.
  ///
  /// - Parameter bases: where the operands begin, the whole ones and the parts.
  func run(
    _ rows: Range<Int>, _ tiles: ExpressionTiles, _ bases: ExpressionArrays, _ parts: [ExpressionPart]
  ) {
    let range = rows.lowerBound * tiles.row..<rows.upperBound * tiles.row
    withUnsafeTemporaryAllocation(of: UnsafeMutablePointer<Float>.self, capacity: bases.count) { arrays in
      for i in bases.indices { arrays.initializeElement(at: i, to: bases[i] + range.lowerBound) }
      guard !parts.isEmpty else { return call(arrays, range.count) }
      BufferPool.withScratch(parts.count * tiles.tile) { memory in
        for start in stride(from: 0, to: tiles.span, by: tiles.tile) {
          runColumns(
            start, min(tiles.tile, tiles.span - start), of: range, tiles, bases, parts, arrays, memory)
        }
      }
    }
  }

  private func call(_ arrays: ExpressionArrays, _ count: Int) {
    guard let base = arrays.baseAddress else { return }
    runnel_run(instructions.count, instructions, arrays.count, base, count)
  }

  /// The tiles that begin at the same place of a row.
  private func runColumns(
    _ start: Int, _ length: Int, of range: Range<Int>, _ tiles: ExpressionTiles, _ bases: ExpressionArrays,
    _ parts: [ExpressionPart], _ arrays: ExpressionArrays, _ memory: UnsafeMutablePointer<Float>
  ) {
    func own(_ part: Int) -> UnsafeMutablePointer<Float> { memory + part * tiles.tile }
    for (i, part) in parts.enumerated() where part.isPeriodic {
      if part.isSum {
        own(i).update(repeating: 0, count: length)
      } else {
        part.pattern.expand(bases[part.register], start, length, into: own(i))
      }
    }
    for at in stride(from: range.lowerBound + start, to: range.upperBound, by: tiles.span) {
      let count = min(length, range.upperBound - at)
      for i in bases.indices { arrays[i] = bases[i] + at }
      for (i, part) in parts.enumerated() {
        arrays[part.register] = own(i)
        if !part.isPeriodic, !part.isSum {
          part.pattern.expand(bases[part.register], at, count, into: own(i))
        }
      }
      call(arrays, count)
      for (i, part) in parts.enumerated() where part.isSum && !part.isPeriodic {
        part.pattern.add(own(i), at, count, to: bases[part.register])
      }
    }
    for (i, part) in parts.enumerated() where part.isSum && part.isPeriodic {
      part.pattern.add(own(i), start, length, to: bases[part.register])
    }
  }
}
