/// Tensors of another source under other names.

import RunnelFiles

struct RenamedTensors: TensorSource {
  private let base: any TensorSource
  /// The names there, by those here.
  private let origins: [String: String]
  let names: [String]

  /// - Parameter name: what a tensor is called here, by what it is called there. Of two with one name none is left out:
  ///   the second keeps its own.
  init(_ base: any TensorSource, _ name: (String) -> String) {
    self.base = base
    var origins: [String: String] = [:]
    names = base.names.map { there in
      let here = name(there)
      let own = origins[here] == nil ? here : there
      origins[own] = there
      return own
    }
    self.origins = origins
  }

  var path: String { base.path }
  var metadata: [String: String] { base.metadata }
  func contains(_ name: String) -> Bool { origins[name] != nil }
  func locate(_ name: String) throws(FileError) -> (any TensorFile, TensorEntry) {
    try base.locate(origins[name] ?? name)
  }
}

extension TensorSource {
  /// The same without what stands in front of all names: wrappers of training code, such as `module.`, and a model
  /// that is a part of another. Few are ever wrapped twice.
  func withoutPrefixes(_ prefixes: [String]) -> any TensorSource {
    var source: any TensorSource = self
    for _ in 0..<3 {
      let names = source.names
      guard !names.isEmpty,
        let prefix = prefixes.first(where: { prefix in names.allSatisfy { $0.hasPrefix(prefix) } })
      else { break }
      source = RenamedTensors(source) { String($0.dropFirst(prefix.count)) }
    }
    return source
  }
}

/// What data-parallel training, compilation and DeepSpeed put in front of the names.
let wrapperPrefixes = ["module.", "_orig_mod.", "_forward_module."]
