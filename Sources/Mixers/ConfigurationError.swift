/// A configuration that no model can have.
public struct ConfigurationError: Error, CustomStringConvertible {
  public let description: String
  public init(_ description: String) { self.description = description }

  package static func noSetting(_ name: String, among names: [String]) -> Self {
    ConfigurationError("there is no setting \(name); the settings are \(names.joined(separator: ", "))")
  }

  /// Throws unless every named number is positive.
  package static func requirePositive(_ numbers: KeyValuePairs<String, Int>) throws {
    for (name, number) in numbers where number <= 0 {
      throw ConfigurationError("\(name) is \(number); it must be positive")
    }
  }
}
