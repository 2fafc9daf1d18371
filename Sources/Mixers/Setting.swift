/// The settings of a mixer, each declared once: its name in files and on the command line, its place, what it may be, what it
/// means, and its default. Reading, writing, checking and describing configurations are written here over these lists.

import RunnelRecurrences
import RunnelTensors

/// A number, a flag or a word that fixes what a mixer, or a model, is.
public struct Setting<Root: Sendable>: Sendable {
  /// What else a setting is, where it is not a size or an option of the function.
  public enum Kind: Sendable {
    case plain
    /// Counted in tokens: an extent of the state, of no matrix.
    case tokens
    /// Only says where training begins: a function that has its parameters does not know it.
    case beginning
    /// A word for another setting; files do not hold it.
    case alias
  }

  /// In snake case, as in `config.json` and `--set`.
  public let name: String
  /// One line, with the paper's letter.
  public let help: String
  /// What it is beside a size or an option.
  public let kind: Kind
  /// What it may be, in words that follow "must".
  public let bounds: String

  package let check: @Sendable (Root) throws -> Void
  package let derive: @Sendable (inout Root) -> Void
  package let read: @Sendable (inout Root, KeyedDecodingContainer<SettingKey>) throws -> Void
  package let write: @Sendable (Root, inout KeyedEncodingContainer<SettingKey>) throws -> Void
  package let parse: @Sendable (inout Root, String) throws -> Void
  package let text: @Sendable (Root) -> String
  /// The number of a setting that is a whole one.
  package let extent: @Sendable (Root) -> Int?

  // Not specialised: two hundred copies take the compiler as long as all mixers.
  /// Declares the setting `name` at `path`.
  ///
  /// - Parameters:
  ///   - rule: what the value may be; without it, any positive number, any flag, any word.
  ///   - chosen: what a value that somebody asks for must be as well, so that the settings derived from it are whole.
  ///   - derived: the default, where it follows from the settings before this one; without it, the property's own.
  @_semantics("optimize.sil.specialize.generic.never")
  @inline(never)
  public init<Value: SettingValue>(
    _ name: String, _ path: any WritableKeyPath<Root, Value> & Sendable, _ help: String,
    _ rule: Rule<Root, Value> = .usual, chosen: Rule<Root, Value>? = nil, kind: Kind = .plain,
    derived: (@Sendable (Root) -> Value)? = nil
  ) {
    (self.name, self.help, self.kind) = (name, help, kind)
    bounds = rule.words
    let key = SettingKey(stringValue: name)
    precondition(derived == nil || Value.unset != nil, "\(name): a value of this type cannot be derived")
    @Sendable func require(_ holds: Bool, _ value: Value, _ words: String) throws {
      guard !holds else { return }
      throw ConfigurationError("\(name) is \(value.settingText); it must \(words)")
    }
    @Sendable func require(_ rule: Rule<Root, Value>, _ root: Root) throws {
      let value = root[keyPath: path]
      try require(value.isBounded, value, Value.boundWords)
      try require(rule.holds(value, root), value, rule.words)
    }
    /// A value that is given is never taken for one that is not.
    @Sendable func requireGiven(_ value: Value) throws {
      let isTaken = derived != nil && value == Value.unset && !Value.unsetIsNone
      try require(value.isBounded, value, Value.boundWords)
      try require(!isTaken && (kind != .alias || value.isUsual), value, rule.words)
    }
    check = { try require(rule, $0) }
    derive = { root in
      if let derived, root[keyPath: path] == Value.unset { root[keyPath: path] = derived(root) }
    }
    read = { root, container in
      guard kind != .alias, container.contains(key) else { return }
      let value = try container.decode(Value.self, forKey: key)
      try requireGiven(value)
      root[keyPath: path] = value
    }
    write = { root, container in
      let value = root[keyPath: path]
      if kind != .alias, !(Value.unsetIsNone && value == Value.unset) {
        try container.encode(value, forKey: key)
      }
    }
    parse = { root, text in
      guard let value = Value(settingText: text) else {
        throw ConfigurationError("\(name) is \"\(text)\"; it must be \(Value.expected)")
      }
      try requireGiven(value)
      root[keyPath: path] = value
      if let chosen { try require(chosen, root) }
    }
    text = { $0[keyPath: path].settingText }
    extent = { $0[keyPath: path] as? Int }
  }
}

/// What a setting may be, given the others.
public struct Rule<Root, Value: SettingValue>: Sendable {
  /// Follows "must".
  let words: String
  let holds: @Sendable (Value, Root) -> Bool

  /// A rule in words that follow "must", and as a condition on a value and the other settings.
  public init(_ words: String, _ holds: @escaping @Sendable (Value, Root) -> Bool) {
    (self.words, self.holds) = (words, holds)
  }
  /// Any positive number, any flag, any word.
  public static var usual: Self { Rule(Value.usualWords) { value, _ in value.isUsual } }
}

extension Rule where Value == Int {
  /// Zero stands for none.
  public static var zeroOrMore: Self { Rule("be 0, for none, or more") { value, _ in value >= 0 } }
  /// What it counts comes in pairs: rotated, or conjugate.
  public static var pairs: Self {
    Rule("be positive and even, since it comes in pairs") { value, _ in value > 0 && value % 2 == 0 }
  }
  /// It divides the setting `name`, which lies at `path`.
  public static func dividing(_ name: String, _ path: any KeyPath<Root, Int> & Sendable) -> Self {
    Rule("divide \(name)") { value, root in value > 0 && root[keyPath: path] % value == 0 }
  }
  /// It is a multiple of the setting `name`, which lies at `path`.
  public static func multiple(of name: String, _ path: any KeyPath<Root, Int> & Sendable) -> Self {
    Rule("be a multiple of \(name)") { value, root in
      value > 0 && root[keyPath: path] > 0 && value % root[keyPath: path] == 0
    }
  }
}

extension Rule where Value == Double {
  /// It lies in a range, both ends included.
  public static func within(_ range: ClosedRange<Double>) -> Self {
    Rule("lie between \(range.lowerBound) and \(range.upperBound)") { value, _ in range.contains(value) }
  }
}

/// A type that settings have.
public protocol SettingValue: Codable, Sendable, Equatable {
  /// Reads a value as a command line spells it; nil where it is none.
  init?(settingText: String)
  /// The value as a command line spells it.
  var settingText: String { get }
  /// What a text of it must be.
  static var expected: String { get }
  /// The value of a derived setting that nobody has given; nil where there is none.
  static var unset: Self? { get }
  /// Whether the unset value is one that files leave out.
  static var unsetIsNone: Bool { get }
  /// The usual rule in words that follow "must".
  static var usualWords: String { get }
  /// Whether the value keeps the usual rule.
  var isUsual: Bool { get }
  /// Whether sums and products with it stay numbers, and a file can hold it.
  var isBounded: Bool { get }
  /// What a value must be to be bounded, in words that follow "must".
  static var boundWords: String { get }
}

extension SettingValue {
  public static var unset: Self? { nil }
  public static var unsetIsNone: Bool { false }
  public static var usualWords: String { "be \(expected)" }
  public var isUsual: Bool { true }
  public var isBounded: Bool { true }
  public static var boundWords: String { usualWords }
}

extension Int: SettingValue {
  public init?(settingText: String) { self.init(settingText) }
  public var settingText: String { "\(self)" }
  public static var expected: String { "a whole number" }
  public static var unset: Int? { 0 }
  public static var usualWords: String { "be positive" }
  public var isUsual: Bool { self > 0 }
  /// No default that is derived from it overflows; memory bounds it more closely.
  public var isBounded: Bool { magnitude <= Self.settingLimit }
  public static var boundWords: String { "be at most \(settingLimit)" }
  private static var settingLimit: Int { 1 << 59 }
}

extension Bool: SettingValue {
  public init?(settingText: String) { self.init(settingText) }
  public var settingText: String { "\(self)" }
  public static var expected: String { "true or false" }
}

extension SettingValue where Self: BinaryFloatingPoint & LosslessStringConvertible {
  public init?(settingText: String) { self.init(settingText) }
  public var settingText: String { "\(self)" }
  public static var expected: String { "a number" }
  public static var usualWords: String { "be positive" }
  public var isUsual: Bool { self > 0 }
  public var isBounded: Bool { isFinite }
  public static var boundWords: String { "be a finite number" }
}
extension Float: SettingValue {}
extension Double: SettingValue {}

extension Optional: SettingValue where Wrapped: SettingValue {
  public init?(settingText: String) {
    if settingText == "none" {
      self = .none
    } else if let value = Wrapped(settingText: settingText) {
      self = value
    } else {
      return nil
    }
  }
  public var settingText: String { self?.settingText ?? "none" }
  public static var expected: String { Wrapped.expected + ", or none" }
  public static var unset: Wrapped?? { .some(.none) }
  public static var unsetIsNone: Bool { true }
  public static var usualWords: String { Wrapped.usualWords + ", or none" }
  public var isUsual: Bool { self?.isUsual ?? true }
  public var isBounded: Bool { self?.isBounded ?? true }
  public static var boundWords: String { Wrapped.boundWords + ", or none" }
}

/// A setting that is one of some words.
public protocol SettingWord: SettingValue, RawRepresentable, CaseIterable where RawValue == String {}
extension SettingWord {
  public init?(settingText: String) { self.init(rawValue: settingText) }
  public var settingText: String { rawValue }
  public static var expected: String { "one of " + allCases.map(\.rawValue).joined(separator: ", ") }
}

/// A setting's key for a coder: its name.
package struct SettingKey: CodingKey {
  package let stringValue: String
  package var intValue: Int? { nil }
  package init(stringValue: String) { self.stringValue = stringValue }
  package init?(intValue: Int) { nil }
}

extension Activation: SettingWord {}
extension Discretization: SettingWord {}
