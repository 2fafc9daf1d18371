// Selective copying: remember the data, pass over the noise.

/// Data tokens strewn over noise at random places, to be repeated in their order at the end.
///
///     noise … d₁ … d₂ … d_n … noise, marker, d₁, d₂, …, d_n
///
/// The places differ from document to document, so a convolution whose kernel is fixed in time
/// cannot gather the data, and a selective recurrence can (Gu and Dao 2023, section 4.1.1 and
/// table 1; the task is the denoising task of Jing et al. 2019). Theirs asks for all data at once
/// after the context, with markers as inputs; a language model's input is its last answer instead.
/// Their size: length 4096, 16 kinds of token with the noise, 16 data tokens. Lengths drawn
/// from a range are ours: documents with less noise teach those with more.
public struct SelectiveCopying: SyntheticTask {
  /// Tokens in a document, answers and all.
  public var length = 256
  /// Tokens in the shortest document; 0 where all are equally long.
  public var shortest = 0
  /// Data tokens to remember, n.
  public var data = 16
  /// Kinds of token: noise, marker, and vocabulary − 2 kinds of data.
  public var vocabulary = 16

  static let noise: Int32 = 0
  static let marker: Int32 = 1

  public static let name = "selective-copy"
  public static let summary = "repeat the data tokens strewn over noise, in order"
  public static let source = "Jing et al. 2019; Gu and Dao 2023, section 4.1.1"
  public static let settings: [TaskSetting<Self>] = [
    .init("length", \.length, in: 3...longestDocument, "tokens in a document"),
    .init("shortest", \.shortest, in: 0...longestDocument, "the fewest tokens; 0: all of one length"),
    .init("data", \.data, in: 1...longestDocument, "data tokens to remember"),
    .init("vocabulary", \.vocabulary, in: 3...1 << 16, "kinds of token, noise and marker with them"),
  ]

  public init() {}

  public func validate() throws(TaskError) {
    guard length >= 2 * data + 1 else {
      throw TaskError(
        "\(Self.name): length \(length) has no room for \(data) data tokens, the marker and as many "
          + "answers; it must be at least \(2 * data + 1)")
    }
    guard shortest == 0 || (2 * data + 1...length).contains(shortest) else {
      throw TaskError(
        "\(Self.name): shortest is \(shortest); it must be 0 or in \(2 * data + 1)...\(length)")
    }
  }

  public var vocabularySize: Int { vocabulary }
  public var answerChoices: Int { vocabulary - 2 }

  public func document(using generator: inout some RandomNumberGenerator) -> [Int32] {
    let length = generator.drawLength(from: shortest, to: length)
    let context = length - data - 1
    var document = [Int32](repeating: Self.noise, count: context)
    var answers: [Int32] = []
    for place in generator.drawSet(of: data, below: context) {
      document[place] = Int32(2 + generator.draw(below: vocabulary - 2))
      answers.append(document[place])
    }
    return document + [Self.marker] + answers
  }

  public func asks(for token: Int32, at index: Int, of count: Int, after previous: Int32) -> Bool {
    index >= count - data
  }

  public func symbol(for token: Int32) -> String {
    token == Self.noise ? "." : token == Self.marker ? "|" : letters(Int(token) - 2)
  }
}

/// a … z, then a1 … z1, a2 ….
func letters(_ number: Int) -> String {
  let (round, letter) = number.quotientAndRemainder(dividingBy: 26)
  let name = String(UnicodeScalar(UInt8(97 + letter)))
  return round == 0 ? name : name + "\(round)"
}
