/// A key of another library's `config.json`, said once: what reading it sets, and what is written in it.

import RunnelMixers
import RunnelTensors

/// The keys of a family are read in order, so each may look at what those before it have set. A key that is absent or
/// null is what its reader in ``ForeignConfiguration`` says.
struct ForeignKey<Root: Sendable>: Sendable {
  typealias Path<Value> = WritableKeyPath<Root, Value> & Sendable

  let name: String
  let read: @Sendable (inout Root, ForeignConfiguration) throws -> Void
  let write: @Sendable (Root, inout [String: ForeignValue]) -> Void

  /// - Parameter write: nil for a value that has no word; the reader then takes the default, and the difference is told.
  init(
    _ name: String, read: @escaping @Sendable (inout Root, ForeignConfiguration) throws -> Void,
    write: @escaping @Sendable (Root) -> ForeignValue? = { _ in nil }
  ) {
    (self.name, self.read) = (name, read)
    self.write = { own, fields in
      if let value = write(own) { fields[name] = value }
    }
  }

  // A copy of this for every type and key would be most of what the compiler has to do here.
  @_semantics("optimize.sil.specialize.generic.never")
  @inline(never)
  init<Value>(
    _ name: String, _ path: any Path<Value>,
    write: @escaping @Sendable (Value) -> ForeignValue? = { _ in nil },
    read: @escaping @Sendable (ForeignConfiguration, Root) throws -> Value
  ) {
    self.init(
      name, read: { own, json in own[keyPath: path] = try read(json, own) },
      write: { write($0[keyPath: path]) })
  }

  private init(
    name: String, read: @escaping @Sendable (inout Root, ForeignConfiguration) throws -> Void,
    writeAll: @escaping @Sendable (Root, inout [String: ForeignValue]) -> Void
  ) {
    (self.name, self.read, write) = (name, read, writeAll)
  }

  /// One of several names for one thing. Where more are there they must agree; all are written.
  static func either(_ names: String..., key: (String) -> Self) -> Self {
    let keys = names.map(key)
    return Self(
      name: names[0],
      read: { own, json in
        let name = try json.agreed(names)
        for key in keys where key.name == name { try key.read(&own, json) }
      },
      writeAll: { own, fields in for key in keys { key.write(own, &fields) } })
  }
}

// What has a value.
extension ForeignKey {
  /// A count of at least one.
  ///
  /// - Parameter null: what null means, if it means something, and absence, if there is no default.
  static func count(
    _ name: String, _ path: any Path<Int>, default standard: Int? = nil,
    orNull null: (@Sendable (Root) -> Int)? = nil
  ) -> Self {
    Self(name, path, write: ForeignValue.count) { json, own in
      let null = null?(own)
      return try json.count(name, default: standard ?? null, null: null, least: 1)
    }
  }

  static func flag(
    _ name: String, _ path: any Path<Bool>, default standard: Bool, null: Bool? = nil
  ) -> Self {
    Self(name, path, write: ForeignValue.flag) { json, _ in
      try json.flag(name, default: standard, null: null)
    }
  }

  static func decimal(_ name: String, _ path: any Path<Float>, default standard: Double) -> Self {
    Self(name, path, write: ForeignValue.decimal) { json, _ in
      Float(try json.number(name, default: standard))
    }
  }
  /// Without a default, one that may be absent or null.
  static func decimal(_ name: String, _ path: any Path<Float?>, default standard: Double? = nil) -> Self {
    Self(
      name, path, write: { $0.map(ForeignValue.decimal) },
      read: { json, _ in
        standard == nil && !json.says(name) ? nil : Float(try json.number(name, default: standard))
      })
  }

  /// A word and its meaning. Of several with one meaning the default is written, or the first.
  ///
  /// - Parameter null: what absence and null mean, where no word does.
  static func word<Meaning: Equatable & Sendable>(
    _ name: String, _ path: any Path<Meaning>, in meanings: [String: Meaning],
    default standard: String? = nil, orNull null: Meaning? = nil
  ) -> Self {
    Self(
      name,
      read: { own, json in
        own[keyPath: path] =
          if let null, !json.says(name) { null } else {
            try json.choice(name, among: meanings, default: standard ?? "")
          }
      },
      write: { own in
        let words = meanings.filter { $0.value == own[keyPath: path] }.keys
        return (words.contains { $0 == standard } ? standard : words.min() ?? standard).map { .text($0) }
      })
  }
}

// What has none.
extension ForeignKey {
  /// What all models of a family have, and no key says.
  static func fixed(_ set: @escaping @Sendable (inout Root) -> Void) -> Self {
    Self("", read: { own, _ in set(&own) })
  }
  /// What only the library asks for.
  static func constant(_ name: String, _ value: ForeignValue) -> Self {
    Self(name, read: { _, _ in }, write: { _ in value })
  }
  /// One of these words, the first of which is the default.
  static func required(_ name: String, among words: String...) -> Self {
    let meanings = Dictionary(uniqueKeysWithValues: words.map { ($0, ()) })
    return Self(
      name, read: { _, json in try json.choice(name, among: meanings, default: words[0]) },
      write: { _ in .text(words[0]) })
  }
  /// What would change the function in a way that is not built, unless it is absent, null or this.
  static func refused(_ name: String, but value: ForeignValue = .null, because reason: String) -> Self {
    Self(
      name,
      read: { _, json in
        if json.value(name) != value { try json.require(name, isAbsentBecause: reason) }
      })
  }
}

// Widths and heads.
extension ForeignKey where Root: MixerConfiguration {
  /// A width as a multiple of another, which must be whole.
  static func ratio(
    _ name: String, _ path: any Path<Int>, of whole: any Path<Int>, default ratio: Double
  ) -> Self {
    Self(
      name,
      read: { own, json in
        own[keyPath: path] = try json.whole(name, default: ratio, of: own[keyPath: whole])
      },
      write: { .ratio($0[keyPath: path], of: $0[keyPath: whole]) })
  }

  /// A width as a multiple of the model's, shared by the heads.
  static func expanded(
    _ name: String, _ path: any Path<Int>, by heads: any Path<Int>, default ratio: Double
  ) -> Self {
    Self(
      name,
      read: { own, json in
        let (width, heads) = (try json.whole(name, default: ratio, of: own.width), own[keyPath: heads])
        guard heads > 0, width % heads == 0 else {
          throw json.error(name, expected: "a width that \(heads) heads can share")
        }
        own[keyPath: path] = width / heads
      },
      write: { .ratio($0[keyPath: heads] * $0[keyPath: path], of: $0.width) })
  }

  /// The width of heads that make the model's. Without it their number says it; where both are there the width counts.
  static func headWidth(
    _ name: String, _ path: any Path<Int>, or number: String, _ heads: any Path<Int>, default standard: Int
  ) -> Self {
    Self(
      name: name,
      read: { own, json in
        let width =
          json.value(name) == .null
          ? own.width / max(1, try json.count(number)) : try json.count(name, default: standard)
        guard width > 0, own.width % width == 0 else {
          throw json.error(name, expected: "a divisor of the width \(own.width)")
        }
        own[keyPath: path] = width
        own[keyPath: heads] = own.width / width
      },
      writeAll: { own, fields in
        fields[name] = .count(own[keyPath: path])
        fields[number] = .count(own[keyPath: heads])
      })
  }

  /// W of the short convolutions, 0 for none.
  static func shortConvolution(_ path: any Path<Int>, isDefault: Bool) -> Self {
    Self(
      name: "use_short_conv",
      read: { own, json in
        let isThere = try json.flag("use_short_conv", default: isDefault)
        own[keyPath: path] = isThere ? try json.count("conv_size", default: 4, least: 1) : 0
      },
      writeAll: { own, fields in
        let width = own[keyPath: path]
        fields["use_short_conv"] = .flag(width != 0)
        if width != 0 { fields["conv_size"] = .count(width) }
      })
  }
}
