/// From a SentencePiece model's ids back to bytes.

extension SentencePieceTokenizer {
  public struct Decoder: TokenDecoder {
    let surfaces: SentencePieceSurfaces
    /// Nothing has been written, so white space in front may be one that encoding added.
    var isStart: Bool

    /// Bytes that byte pieces do not make characters of pass as they are.
    public mutating func feed(_ id: Int32, into bytes: inout [UInt8]) {
      guard id >= 0, id < surfaces.count else { return }
      var surface = surfaces[Int(id)]
      if isStart && surfaces.dropsSpace && surfaces.beginsWithSpace(Int(id)) {
        surface = surface.dropFirst()
        isStart = surfaces.dropsAllSpaces
      }
      if !surface.isEmpty { isStart = false }
      bytes += surface
    }
    public func finish(into bytes: inout [UInt8]) {}
  }
}

/// What each id is decoded to.
struct SentencePieceSurfaces: Sendable {
  private var bytes: [UInt8] = []
  private var offsets = [0]
  private var spaces: [Bool] = []
  /// Whether the first ▁ of a text is left out, and whether all that begin it are.
  let dropsSpace: Bool
  let dropsAllSpaces: Bool

  var count: Int { offsets.count - 1 }
  subscript(id: Int) -> ArraySlice<UInt8> { bytes[offsets[id]..<offsets[id + 1]] }
  /// Whether its piece begins with ▁, here a space.
  func beginsWithSpace(_ id: Int) -> Bool { spaces[id] }

  init(_ model: SentencePieceModel) {
    dropsSpace = model.addsDummyPrefix || model.removesExtraWhitespace
    dropsAllSpaces = model.removesExtraWhitespace
    let symbol: [UInt8] = [0xE2, 0x96, 0x81]
    for piece in model.pieces {
      switch piece.kind {
      case .control: break
      case .unknown: bytes += model.unknownSurface
      case .byte:
        bytes.append(ByteTokenizer().id(of: String(decoding: piece.text, as: UTF8.self)).map(UInt8.init) ?? 0)
      case .normal, .userDefined, .unused:
        var rest = piece.text
        while let first = rest.first {
          if rest.starts(with: symbol) {
            bytes.append(0x20)
            rest = rest.dropFirst(3)
          } else {
            bytes.append(first)
            rest = rest.dropFirst()
          }
        }
      }
      spaces.append(piece.kind.isText && piece.text.starts(with: symbol))
      offsets.append(bytes.count)
    }
  }
}
