/// Products with packed weights on the pool; the layout is told in `runnel_packed.h`.

import CKernels

/// How the weights of a packed matrix are stored.
public enum PackedElement: String, CaseIterable, Codable, Sendable {
  case f32, bf16, int8, int4

  /// Bits that a weight takes in memory, its share of the scales included.
  public var bitsPerWeight: Double {
    switch self {
    case .f32: 32
    case .bf16: 16
    case .int8: 8.5
    case .int4: 4.5
    }
  }
  /// Whether vectors are quantised, in blocks of 32, before they are multiplied.
  package var isQuantised: Bool { self == .int8 || self == .int4 }

  fileprivate var type: runnel_packed {
    switch self {
    case .f32: RUNNEL_F32
    case .bf16: RUNNEL_BF16
    case .int8: RUNNEL_INT8
    case .int4: RUNNEL_INT4
    }
  }
}

package enum PackedProduct {
  /// Rows of a weight that are stored together.
  package static let tileRows = 16
  /// Vectors that are prepared together.
  private static let panel = 4
  /// Multiplications that are worth handing out.
  private static let grain = 1 << 15

  /// Bytes of a packed weight [rows columns].
  package static func byteCount(_ element: PackedElement, rows: Int, columns: Int) -> Int {
    (rows + tileRows - 1) / tileRows * runnel_packed_tile_bytes(element.type, columns)
  }
  /// Bytes of `count` prepared vectors.
  package static func vectorBytes(_ element: PackedElement, count: Int, columns: Int) -> Int {
    runnel_packed_vector_bytes(element.type, count, columns)
  }

  /// Packs the finite w [rows columns], on the pool.
  package static func pack(
    _ element: PackedElement, rows: Int, columns: Int, _ w: UnsafePointer<Float>,
    into packed: UnsafeMutableRawPointer
  ) {
    eachTile(element, rows, columns) { first, count, offset in
      runnel_pack_tile(element.type, count, columns, w + first * columns, columns, packed + offset)
    }
  }

  /// Gives back w [rows columns], the values that products are made with.
  package static func unpack(
    _ element: PackedElement, rows: Int, columns: Int, _ packed: UnsafeRawPointer,
    into w: UnsafeMutablePointer<Float>
  ) {
    eachTile(element, rows, columns) { first, count, offset in
      runnel_unpack_tile(element.type, 0, count, columns, packed + offset, w + first * columns, columns)
    }
  }

  /// Gives back one row of w, [columns].
  package static func unpackRow(
    _ element: PackedElement, _ row: Int, columns: Int, _ packed: UnsafeRawPointer,
    into w: UnsafeMutablePointer<Float>
  ) {
    let place = row % tileRows
    let tile = packed + row / tileRows * runnel_packed_tile_bytes(element.type, columns)
    runnel_unpack_tile(element.type, place, place + 1, columns, tile, w, columns)
  }

  private static func eachTile(
    _ element: PackedElement, _ rows: Int, _ columns: Int, _ body: (Int, Int, Int) -> Void
  ) {
    let bytes = runnel_packed_tile_bytes(element.type, columns)
    let tiles = (rows + tileRows - 1) / tileRows
    WorkerPool.shared.split(tiles, grain: max(1, (1 << 14) / max(1, columns * tileRows))) {
      for tile in $0 { body(tile * tileRows, min(tileRows, rows - tile * tileRows), tile * bytes) }
    }
  }

  /// Prepares the vectors x [count columns].
  package static func prepare(
    _ element: PackedElement, count: Int, columns: Int, _ x: UnsafePointer<Float>,
    into prepared: UnsafeMutableRawPointer
  ) {
    let panels = (count + panel - 1) / panel
    WorkerPool.shared.split(panels, grain: max(1, grain / max(1, panel * columns))) {
      let first = $0.lowerBound * panel
      runnel_pack_vectors(
        element.type, min(count, $0.upperBound * panel) - first, columns, x + first * columns,
        prepared + vectorBytes(element, count: first, columns: columns))
    }
  }

  /// y [count rows] = x Wᵀ of prepared vectors, or y + x Wᵀ. A number depends neither on `count` nor on how the work
  /// is split: by vectors where there are many, so that they stay in a cache, else by rows.
  package static func run(
    _ element: PackedElement, rows: Int, columns: Int, _ packed: UnsafeRawPointer, count: Int,
    _ prepared: UnsafeRawPointer, adding: Bool = false, into y: UnsafeMutablePointer<Float>,
    on instructions: InstructionSet = .current
  ) {
    let tiles = (rows + tileRows - 1) / tileRows
    let panels = (count + panel - 1) / panel
    if panels >= 4 * WorkerPool.shared.threads {
      WorkerPool.shared.split(panels, grain: max(1, grain / max(1, panel * rows * columns))) {
        let first = $0.lowerBound * panel
        run(
          element, rows: rows, of: 0..<rows, columns: columns, packed,
          count: min(count, $0.upperBound * panel) - first,
          prepared + vectorBytes(element, count: first, columns: columns), adding: adding,
          into: y + first * rows,
          on: instructions)
      }
    } else {
      ReadAhead.note(packed, byteCount: byteCount(element, rows: rows, columns: columns))
      // Pieces of whole pairs of tiles, which wide products take at once: small, so that no thread waits long for another.
      let pieceTiles = max(2, (grain / max(1, tileRows * columns * count) + 1) / 2 * 2)
      let pieces = (tiles + pieceTiles - 1) / pieceTiles
      WorkerPool.shared.run(pieces) {
        let first = $0 * pieceTiles * tileRows
        run(
          element, rows: rows, of: first..<min(rows, first + pieceTiles * tileRows), columns: columns, packed,
          count: count, prepared, adding: adding, into: y, on: instructions)
      }
    }
  }

  /// Rows `range`, which begin at a multiple of 16, of the same product; on the calling thread.
  package static func run(
    _ element: PackedElement, rows: Int, of range: Range<Int>, columns: Int, _ packed: UnsafeRawPointer,
    count: Int, _ prepared: UnsafeRawPointer, adding: Bool = false, into y: UnsafeMutablePointer<Float>,
    on instructions: InstructionSet = .current
  ) {
    runnel_packed_product(
      runnel_level(UInt32(instructions.rawValue)), element.type, rows, columns, packed,
      range.lowerBound / tileRows, (range.upperBound + tileRows - 1) / tileRows, count, prepared,
      adding ? 1 : 0, y)
  }
}
