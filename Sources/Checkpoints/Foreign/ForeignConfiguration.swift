/// The `config.json` of another library: fields by name, each checked as it is read.

import Foundation
import RunnelFiles
import RunnelTensors

struct ForeignConfiguration {
  let path: String
  private let fields: [String: Any]

  init(_ bytes: [UInt8], path: String) throws {
    self.path = path
    guard let fields = try? JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any] else {
      throw FileError(
        path, at: "JSON", expected: "one object", found: "something else",
        remedy: "name the folder of a model")
    }
    self.fields = fields
  }

  /// A configuration that says nothing.
  init(path: String) { self.init(path: path, fields: [:]) }

  private init(path: String, fields: [String: Any]) {
    (self.path, self.fields) = (path, fields)
  }

  /// Whether the field is there and not null.
  func contains(_ name: String) -> Bool { fields[name].map { !($0 is NSNull) } ?? false }

  /// The object in a field; an empty one where there is none.
  func object(_ name: String) -> ForeignConfiguration {
    ForeignConfiguration(path: path, fields: fields[name] as? [String: Any] ?? [:])
  }

  func error(_ name: String, expected: String, remedy: String = "use a model of this family")
    -> FileError
  {
    let value = fields[name] ?? NSNull()
    let found = value is NSNull ? "none" : "\(value)"
    return FileError(
      path, at: "field \"\(name)\"", expected: expected, found: String(found.prefix(80)), remedy: remedy)
  }

  /// A count; without a default it must be there.
  func count(_ name: String, default standard: Int? = nil) throws -> Int {
    guard contains(name) || standard == nil else { return standard ?? 0 }
    // A number of JSON that is a truth value is no count.
    guard let number = fields[name] as? NSNumber, !isTruth(number),
      let count = Int(exactly: number.doubleValue),
      (0...1 << 32).contains(count)
    else { throw error(name, expected: "a count") }
    return count
  }

  func number(_ name: String, default standard: Double? = nil) throws -> Double {
    guard contains(name) || standard == nil else { return standard ?? 0 }
    guard let number = Self.number(fields[name]) else { throw error(name, expected: "a number") }
    return number
  }

  func numbers(_ name: String) throws -> [Double]? {
    guard contains(name) else { return nil }
    guard let list = fields[name] as? [Any] else { throw error(name, expected: "a list of numbers") }
    return try list.map {
      guard let number = Self.number($0) else { throw error(name, expected: "a list of numbers") }
      return number
    }
  }

  /// Infinity is written as {"__float__": "Infinity"} by transformers.
  private static func number(_ value: Any?) -> Double? {
    if let text = (value as? [String: Any])?["__float__"] as? String {
      return ["Infinity": Double.infinity, "-Infinity": -.infinity][text]
    }
    guard let number = value as? NSNumber, !isTruth(number) else { return nil }
    return number.doubleValue
  }

  func flag(_ name: String, default standard: Bool) throws -> Bool {
    guard contains(name) else { return standard }
    guard let number = fields[name] as? NSNumber, isTruth(number) else {
      throw error(name, expected: "true or false")
    }
    return number.boolValue
  }

  func text(_ name: String, default standard: String? = nil) throws -> String {
    guard contains(name) || standard == nil else { return standard ?? "" }
    guard let text = fields[name] as? String else { throw error(name, expected: "a text") }
    return text
  }

  func texts(_ name: String, default standard: [String]) throws -> [String] {
    guard contains(name) else { return standard }
    guard let list = fields[name] as? [String], !list.isEmpty else {
      throw error(name, expected: "a list of texts")
    }
    return list
  }

  /// Refuses what would change the function in a way that is not built.
  func require(_ name: String, isAbsentBecause reason: String) throws {
    guard !contains(name) else {
      throw error(name, expected: "none: \(reason)", remedy: "use a model without it")
    }
  }

  /// An activation by the names of torch and its libraries.
  func activation(_ name: String, default standard: String = "identity") throws -> Activation {
    try choice(
      name,
      among: [
        "silu": .silu, "swish": .silu, "gelu_pytorch_tanh": .gelu, "gelu_new": .gelu, "relu": .relu,
        "sigmoid": .sigmoid, "tanh": .tanh, "sqrelu": .squaredReLU, "relu2": .squaredReLU,
        "identity": .identity,
      ], default: standard)
  }

  /// What one of several words means.
  func choice<Meaning>(_ name: String, among meanings: [String: Meaning], default standard: String) throws
    -> Meaning
  {
    guard let meaning = meanings[try text(name, default: standard)] else {
      throw error(name, expected: "one of \(meanings.keys.sorted().joined(separator: ", "))")
    }
    return meaning
  }
}

private func isTruth(_ number: NSNumber) -> Bool { String(cString: number.objCType) == "c" }
