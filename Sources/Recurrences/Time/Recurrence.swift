/// What a recurrence says of itself; `run` in Driver.swift does the rest.
///
/// A recurrence is a memory that tokens change. It is written as a value with the operands of one call and four
/// functions: the step, which is the definition, the same for a chunk of tokens at once, the chunk's gradient, and
/// the paper's form of a whole segment where it has one. The driver owns time: documents, chunks, the memories kept
/// for the gradient, the split over threads, the tape and the form.

import RunnelTensors

typealias Floats = UnsafePointer<Float>
typealias MutableFloats = UnsafeMutablePointer<Float>

protocol Recurrence: Sendable {
  /// Of the type that runs it, for profiles and the search for numbers that are not finite.
  var name: StaticString { get }
  /// What a share of a row works with from chunk to chunk.
  associatedtype Scratch

  var segment: Segment { get }
  /// The operands of the call. The driver puts constants in their place before it asks for gradients.
  var operands: [Tensor] { get set }
  /// How the gradient of each operand is gathered.
  var gathering: [Gathering] { get }
  /// The shape of y.
  var output: Shape { get }

  /// A row's memory is `units` independent ones of `memory` floats each, by default of one part.
  var units: Int { get }
  var memory: Int { get }
  var parts: [Part] { get }
  /// In how many shares the units of a row are worked on, forward and backward. Those of the gradient depend on the sizes alone,
  /// for the order of its sums must not depend on the threads; forwards no sum crosses shares.
  var shares: Int { get }
  var gradientShares: Int { get }
  /// About how many floats a unit works on for a token.
  var cost: Int { get }

  /// The most tokens of a chunk, by default ``keptChunk``; `keepsMemories` says that a gradient will start from each
  /// that does not begin a document.
  func chunkLength(_ form: Form, keepsMemories: Bool) -> Int
  /// Whether the loops of a pass work on the state tensors themselves. Others `load` and `store` a memory of one part.
  func isInPlace(_ pass: Pass) -> Bool
  /// Whether the gradient reads y.
  var needsOutput: Bool { get }

  /// Brings a unit's memory from the state tensors and back.
  func load(_ row: Int, _ unit: Int, from states: [MutableFloats], into memory: MutableFloats)
  func store(_ row: Int, _ unit: Int, _ memory: Floats, into states: [MutableFloats])
  /// What a part of a unit's memory is before the first token of a document; by default zero.
  func begin(_ memory: MutableFloats, part: Int, count: Int)
  func makeScratch(_ share: Share, _ grid: Grid, for pass: Pass) -> Scratch

  /// The definition, token by token.
  func step(_ piece: Piece, _ scratch: Scratch)
  /// The same for a step without gradients, where the loops of a chunk are not good for single tokens.
  func stream(_ piece: Piece, _ scratch: Scratch)
  /// The tokens of a chunk at once; by default step by step.
  func chunk(_ piece: Piece, _ scratch: Scratch)
  /// The tokens of a document at once; by default like a chunk.
  func parallel(_ piece: Piece, _ scratch: Scratch)
  /// The gradient of a chunk whose memory in front was `piece.memory`. The gradient of the memory behind it goes in,
  /// that of the one in front comes out.
  func gradient(_ piece: Piece, _ gradients: ChunkGradients, _ scratch: Scratch)
  /// Called when a share is through, to give what `scratch` has gathered.
  func finish(_ share: Share, _ gradients: [MutableFloats], _ scratch: Scratch)
}

/// What a share is worked on for.
enum Pass: Sendable {
  /// Outputs, and where gradients will follow the memories before each chunk.
  case forward
  /// The outputs of a step without gradients.
  case stream
  case gradient
}

/// Units of a row that are worked on together, and the number of the share in the row.
struct Share {
  let row, index: Int
  let units: Range<Int>
}

/// One part of the memories of a row: where it begins in the row's part of which state tensor, the floats of a unit, and
/// those of all units, which the last one may fall short of.
struct Part: Sendable {
  var tensor = 0
  var offset = 0
  let size, total: Int
  func count(_ unit: Int) -> Int { min(size, total - unit * size) }
}

/// The memories of the units of a share, part by part.
struct Memory {
  let bases: [MutableFloats]
  let strides: [Int]
  var first = 0
  subscript(unit: Int, part: Int = 0) -> MutableFloats { bases[part] + (unit - first) * strides[part] }
}

/// A chunk of a row for some units.
struct Piece {
  let share: Share
  let chunk: Chunk
  let memory: Memory
  /// Where each operand begins, and y. (The loops of a chunk must not count references, in words that all threads write.)
  let operands: UnsafePointer<Floats>
  let y: MutableFloats

  var row: Int { share.row }
  var start: Int { chunk.start }
  var count: Int { chunk.count }
  var units: Range<Int> { share.units }
}

struct ChunkGradients {
  let dy: Floats
  let memory: Memory
  /// Whether anything flows back into `memory` from behind the chunk; if not, it is zero.
  let hasLater: Bool
  /// Per operand, where its gradient or its part of it begins.
  let operands: [MutableFloats]
  /// Per operand, whether its gradient is asked for.
  let needs: [Bool]
}

enum Gathering: Sendable {
  /// The operand has tokens; chunks write its gradient where the operand lies.
  case perToken
  /// The same, but shares of a row with equal numbers modulo `count` write into a copy each; the copies are added.
  case perTokenParts(Int)
  /// One for all tokens; chunks add to a row's own copy, which begins with zeros. The copies are added.
  case shared
}

/// Tokens from one kept memory to the next, where a recurrence does not choose.
let keptChunk = 16

extension Recurrence {
  var gradientShares: Int { shares }
  var cost: Int { memory }
  var memory: Int { parts.reduce(0) { $0 + $1.size } }
  var parts: [Part] { [Part(size: memory, total: units * memory)] }
  var needsOutput: Bool { false }
  func chunkLength(_ form: Form, keepsMemories: Bool) -> Int {
    keepsMemories && form != .parallel ? keptChunk : .max
  }
  func isInPlace(_ pass: Pass) -> Bool { true }
  func load(_ row: Int, _ unit: Int, from states: [MutableFloats], into memory: MutableFloats) {}
  func store(_ row: Int, _ unit: Int, _ memory: Floats, into states: [MutableFloats]) {}
  func begin(_ memory: MutableFloats, part: Int, count: Int) { memory.update(repeating: 0, count: count) }
  func stream(_ piece: Piece, _ scratch: Scratch) { chunk(piece, scratch) }
  func chunk(_ piece: Piece, _ scratch: Scratch) { step(piece, scratch) }
  func parallel(_ piece: Piece, _ scratch: Scratch) { chunk(piece, scratch) }
  func finish(_ share: Share, _ gradients: [MutableFloats], _ scratch: Scratch) {}
}

extension Recurrence where Scratch == Void {
  func makeScratch(_ share: Share, _ grid: Grid, for pass: Pass) {}
}
