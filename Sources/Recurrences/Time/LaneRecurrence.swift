/// Recurrences whose channels are independent and run side by side, sixteen in the lanes of a vector.

import CKernels
import RunnelKernels
import RunnelTensors

/// A recurrence over [B T E] channels with `size` floats of state each, [B E size]. In the loops sixteen channels are a
/// unit, and a float of each stands side by side: [size 16], missing channels zero. So are the operands that do not
/// depend on time, [E …], and the sums for their gradients; an operand that is absent is zero for each channel.
protocol LaneRecurrence: Recurrence where Scratch == LaneScratch {
  var channels: Int { get }
  var size: Int { get }
  /// Floats that a pass wants beside the memory; for the gradient they are zero before a share's first chunk.
  func room(for pass: Pass) -> Int

  /// The definition for the channels of a unit, token by token.
  func step(_ piece: LanePiece)
  func scan(_ piece: LanePiece)
  func whole(_ piece: LanePiece)
  /// A step without gradients; where that is in place, for all channels of a share, whose state lies as the tensor has it:
  /// [channels size].
  func stream(_ piece: LanePiece)
  func gradient(_ piece: LanePiece, dy: Floats, dmemory: MutableFloats, _ gradients: [MutableFloats])
  /// Called after the gradients of all units of a share for a chunk.
  func gather(_ piece: Piece, _ room: MutableFloats, _ gradients: [MutableFloats])
}

/// The number of lanes.
let laneCount = 16

struct LanePiece {
  let row: Int
  let chunk: Chunk
  /// The first channel and the number of channels.
  let channel, width: Int
  /// Where the chunk's first token and channel lies in [B T E].
  let at: Int
  let memory: MutableFloats
  /// Where each operand begins.
  let operands: UnsafePointer<Floats>
  /// Where y of that token and channel lies.
  let y: MutableFloats
  /// The operands without time in lanes, and for a gradient their gradients, in the order of the operands.
  let constants, sums: LaneOperands
  let room: MutableFloats
  var count: Int { chunk.count }
}

/// Operands without time, or the sums of their gradients, of one unit.
struct LaneOperands {
  let base: MutableFloats
  let offsets: [Int]
  subscript(index: Int) -> MutableFloats { base + offsets[index] }
}

/// What a share works with: of each unit the operands without time in lanes and for gradients the sums of theirs, and room.
struct LaneScratch {
  let storage: Storage
  /// The first unit, the floats of one's operands, and those from one unit to the next.
  let first, floats, stride: Int
  let offsets: [Int]
  let room: MutableFloats
  func constants(_ unit: Int) -> LaneOperands {
    LaneOperands(base: storage.base + (unit - first) * stride, offsets: offsets)
  }
  func sums(_ unit: Int) -> LaneOperands {
    LaneOperands(base: storage.base + (unit - first) * stride + floats, offsets: offsets)
  }
}

extension LaneRecurrence {
  var memory: Int { size * laneCount }
  var parts: [Part] { [Part(size: memory, total: channels * size)] }
  var units: Int { (channels + laneCount - 1) / laneCount }
  var shares: Int { units }
  var gradientShares: Int { min(units, 4) }
  var output: Shape { [segment.batch, segment.length, channels] }
  func isInPlace(_ pass: Pass) -> Bool { false }

  /// Where a channel of a token stands in [B T E].
  func at(_ row: Int, _ time: Int, _ channel: Int = 0) -> Int {
    (row * segment.length + time) * channels + channel
  }
  private func width(_ unit: Int) -> Int { min(laneCount, channels - unit * laneCount) }
  private func place(_ row: Int, _ unit: Int) -> Int { (row * channels + unit * laneCount) * size }

  func load(_ row: Int, _ unit: Int, from states: [MutableFloats], into memory: MutableFloats) {
    runnel_to_lanes(width(unit), size, states[0] + place(row, unit), memory)
  }
  func store(_ row: Int, _ unit: Int, _ memory: Floats, into states: [MutableFloats]) {
    runnel_from_lanes(width(unit), size, memory, states[0] + place(row, unit))
  }

  /// Calls `body` with each operand without time, its number among them and its floats per channel.
  private func forEachConstant(_ body: (_ operand: Int, _ number: Int, _ width: Int) -> Void) {
    var number = 0
    for (i, gathering) in gathering.enumerated() {
      guard case .shared = gathering else { continue }
      body(i, number, max(1, operands[i].count / channels))
      number += 1
    }
  }

  func makeScratch(_ share: Share, _ grid: Grid, for pass: Pass) -> LaneScratch {
    var offsets: [Int] = [], floats = 0
    // Loops in place take the operands as they are, too.
    let isInPlace = isInPlace(pass)
    if !isInPlace {
      forEachConstant { _, _, width in
        offsets.append(floats)
        floats += width * laneCount
      }
    }
    let stride = pass == .gradient ? 2 * floats : floats, own = share.units.count * stride
    let all = own + room(for: pass)
    let storage = Storage(capacity: all)
    if pass == .gradient { storage.base.update(repeating: 0, count: all) }
    let scratch = LaneScratch(
      storage: storage, first: share.units.lowerBound, floats: floats, stride: stride, offsets: offsets,
      room: storage.base + own)
    guard !isInPlace else { return scratch }
    forEachConstant { operand, number, width in
      let isAbsent = operands[operand].isEmpty
      for unit in share.units {
        runnel_to_lanes(
          isAbsent ? 0 : self.width(unit), width,
          operands[operand].base + (isAbsent ? 0 : unit * laneCount * width),
          scratch.constants(unit)[number])
      }
    }
    return scratch
  }

  private func lanes(_ piece: Piece, _ scratch: LaneScratch, unit: Int, width: Int) -> LanePiece {
    let channel = unit * laneCount, at = at(piece.row, piece.start, channel)
    return LanePiece(
      row: piece.row, chunk: piece.chunk, channel: channel, width: width, at: at, memory: piece.memory[unit],
      operands: piece.operands, y: piece.y + at, constants: scratch.constants(unit),
      sums: scratch.sums(unit), room: scratch.room)
  }
  private func forEachUnit(_ piece: Piece, _ scratch: LaneScratch, _ body: (Int, LanePiece) -> Void) {
    for unit in piece.units { body(unit, lanes(piece, scratch, unit: unit, width: width(unit))) }
  }

  func step(_ piece: Piece, _ scratch: LaneScratch) { forEachUnit(piece, scratch) { step($1) } }
  func stream(_ piece: Piece, _ scratch: LaneScratch) {
    guard isInPlace(.stream) else { return forEachUnit(piece, scratch) { stream($1) } }
    // In place nothing parts the units.
    let first = piece.units.lowerBound,
      width = min(piece.units.count * laneCount, channels - first * laneCount)
    stream(lanes(piece, scratch, unit: first, width: width))
  }
  func chunk(_ piece: Piece, _ scratch: LaneScratch) { forEachUnit(piece, scratch) { scan($1) } }
  func parallel(_ piece: Piece, _ scratch: LaneScratch) { forEachUnit(piece, scratch) { whole($1) } }
  func whole(_ piece: LanePiece) { scan(piece) }
  func stream(_ piece: LanePiece) { scan(piece) }
  func gather(_ piece: Piece, _ room: MutableFloats, _ gradients: [MutableFloats]) {}

  func gradient(_ piece: Piece, _ gradients: ChunkGradients, _ scratch: LaneScratch) {
    forEachUnit(piece, scratch) { unit, own in
      gradient(own, dy: gradients.dy + own.at, dmemory: gradients.memory[unit], gradients.operands)
    }
    gather(piece, scratch.room, gradients.operands)
  }

  func finish(_ share: Share, _ gradients: [MutableFloats], _ scratch: LaneScratch) {
    forEachConstant { operand, number, width in
      guard !operands[operand].isEmpty else { return }
      for unit in share.units {
        runnel_from_lanes(
          self.width(unit), width, scratch.sums(unit)[number], gradients[operand] + unit * laneCount * width)
      }
    }
  }
}
