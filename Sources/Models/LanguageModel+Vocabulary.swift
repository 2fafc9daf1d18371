/// Ids that a model does not know are found before it reads them.

/// A token that is none of a model's.
public struct UnknownToken: Error, CustomStringConvertible, Equatable {
  public let token: Int32
  /// Its place in the text.
  public let position: Int
  public let vocabularySize: Int
  public var description: String {
    "token \(token) at position \(position) is outside the model's vocabulary of \(vocabularySize); "
      + "the text was made with another tokenizer"
  }
}

extension LanguageFunction {
  /// Throws unless every id is one of the vocabulary.
  ///
  /// - Parameter position: of the first of them in the text.
  public func requireKnown(_ ids: [Int32], from position: Int = 0) throws(UnknownToken) {
    // Negative ids are large ones without a sign.
    let limit = UInt32(vocabularySize)
    guard let (offset, token) = ids.enumerated().first(where: { UInt32(bitPattern: $1) >= limit }) else {
      return
    }
    throw UnknownToken(token: token, position: position + offset, vocabularySize: vocabularySize)
  }
}
