// The tokenizer that rides in a corpus, so that the file alone is enough to train on and to read.

import RunnelFiles
import RunnelText

extension Corpus {
  /// The tokenizer that made the ids: bytes, or the one whose file the corpus keeps; nil for ids whose
  /// maker is not in it, such as imported ones.
  ///
  /// - Throws: `CorpusError` where the tokenizer's block is damaged, ``FileError`` where the tokenizer is of a kind unknown here.
  public func tokenizer() throws -> (any Tokenizer)? {
    if header.tokenizer == .bytes { return ByteTokenizer() }
    guard let file = try tokenizerFile() else {
      // A salvaged corpus without its header: one that was not of bytes would hold its tokenizer.
      return header.tokenizer.name == "unknown" && header.vocabularySize == 256 ? ByteTokenizer() : nil
    }
    return try Tokenizers.load(file, path: path)
  }

  /// The tokenizer's file; nil where the corpus keeps none.
  ///
  /// - Throws: `CorpusError` where its block is damaged, or it is not the file that the header names.
  public func tokenizerFile() throws -> TokenizerFile? {
    guard let entry = tokenizerFrame else { return nil }
    do throws(CorpusProblem) {
      let bytes: [UInt8]
      do { bytes = try file.bytes(at: entry.offset, count: entry.size) } catch {
        throw CorpusProblem("\(error)")
      }
      let kept = try MetadataBlock.tokenizer(inFrame: bytes)
      guard header.tokenizer.sha256 == nil || header.tokenizer.sha256 == kept.sha256 else {
        throw CorpusProblem("the tokenizer kept here is not the one that the header names")
      }
      return kept
    } catch {
      throw CorpusError(path, error.message, offset: entry.offset)
    }
  }
}

extension MetadataBlock {
  /// The frame `RNLT`: the length of the name (4 bytes), the size of the file (8), the name, and the file
  /// as one zstd frame.
  static func tokenizerFrame(_ file: TokenizerFile, for path: String) throws -> [UInt8] {
    let name = Array(file.name.utf8)
    guard (1...Limits.tokenizerName).contains(name.count),
      (1...Limits.tokenizerBytes).contains(file.bytes.count)
    else {
      throw CorpusError(
        path,
        "cannot keep the tokenizer \(quoted(file.name)) of \(file.bytes.count) bytes: the limits are a name "
          + "of \(Limits.tokenizerName) bytes and a file of 1 to \(Limits.tokenizerBytes)")
    }
    var body: [UInt8] = []
    body.append(littleEndian: UInt32(name.count))
    body.append(littleEndian: UInt64(file.bytes.count))
    body += name
    body += try CompressedFrame(of: file.bytes, by: ZstdCompressor(level: 12), for: path).bytes
    guard body.count + 16 <= Limits.blockBytes else {
      throw CorpusError(
        path,
        "cannot keep the tokenizer \(quoted(file.name)): compressed it has more than "
          + "\(Limits.blockBytes) bytes")
    }
    return frame(tag: "RNLT", body: body)
  }

  /// Unpacks a whole frame `RNLT`.
  static func tokenizer(inFrame frame: [UInt8]) throws(CorpusProblem) -> TokenizerFile {
    let payload = Array(frame.dropFirst(8))
    guard case .tokenizer = try MetadataBlock(payload: payload) else {
      throw CorpusProblem("the tokenizer's frame changed while it was read")
    }
    let body = Array(payload[8..<payload.count - 8])
    guard body.count >= 12 else { throw CorpusProblem("the tokenizer's frame is too short") }
    let length = Int(body.integer(at: 0, as: UInt32.self))
    let size = body.integer(at: 4, as: UInt64.self)
    guard (1...Limits.tokenizerName).contains(length), 12 + length < body.count,
      (1...UInt64(Limits.tokenizerBytes)).contains(size),
      let name = String(validating: body[12..<12 + length], as: UTF8.self),
      !name.contains("/"), !name.utf8.contains(0)
    else { throw CorpusProblem("the tokenizer's frame has an impossible name or size") }
    do {
      let bytes = try body.withUnsafeBytes { body in
        let packed = UnsafeRawBufferPointer(rebasing: body[(12 + length)...])
        guard zstdContentSize(packed) == Int(size), zstdFrameSize(packed) == packed.count else {
          throw ZstdFailure(message: "not one whole zstd frame of the size that is stated")
        }
        return try [UInt8](unsafeUninitializedCapacity: Int(size)) { buffer, filled in
          try ZstdDecompressor().decode(packed, into: UnsafeMutableRawBufferPointer(buffer))
          filled = Int(size)
        }
      }
      return TokenizerFile(name: name, bytes: bytes)
    } catch {
      let reason = (error as? ZstdFailure)?.message ?? "\(error)"
      throw CorpusProblem("the tokenizer's frame is damaged: \(reason)")
    }
  }
}
