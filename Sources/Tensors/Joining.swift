/// Tensors joined along the last axis, and cut apart again.

import RunnelKernels

/// The parts [… Dᵢ] side by side: [… ΣDᵢ].
public func concatenated(_ parts: [Tensor]) -> Tensor {
  guard let first = parts.first else {
    preconditionFailure("concatenated: no tensors; at least one is needed")
  }
  for part in parts {
    precondition(
      part.shape.rank > 0 && part.shape.with(width: 1) == first.shape.with(width: 1),
      "concatenated: \(first.shape) and \(part.shape); all but the last extents must be equal")
  }
  let sizes = parts.map(\.shape.width)
  let shape = first.shape.with(width: sizes.reduce(0, +))
  Profiler.begin(.elementwise)
  defer { Profiler.end() }
  let y = joined(parts, sizes: sizes, shape)
  guard parts.contains(where: \.isTracked) else { return y }
  return record([y], from: parts) { gradients in
    gradients[0].map { cut($0, sizes: sizes) } ?? parts.map { _ in nil }
  }[0]
}

/// Blocks of rows [Rᵢ …] one under the other: [ΣRᵢ …].
public func stacked(_ parts: [Tensor]) -> Tensor {
  guard let first = parts.first else {
    preconditionFailure("stacked: no tensors; at least one is needed")
  }
  for part in parts {
    precondition(
      part.shape.dropFirst().elementsEqual(first.shape.dropFirst()),
      "stacked: \(first.shape) and \(part.shape); all but the first extents must be equal")
  }
  Profiler.begin(.elementwise)
  defer { Profiler.end() }
  let counts = parts.map { $0.shape[0] }
  let y = Tensor(Shape([counts.reduce(0, +)] + first.shape.dropFirst())) { y in
    var at = y
    for part in parts {
      at.update(from: part.base, count: part.count)
      at += part.count
    }
  }
  guard parts.contains(where: \.isTracked) else { return y }
  return record(y, from: parts) { gradient in
    var start = 0
    return counts.map { count in
      defer { start += count }
      return gradient.rows(start..<start + count)
    }
  }
}

/// The columns of `x` [… D] in consecutive parts of these sizes.
public func split(_ x: Tensor, sizes: [Int]) -> [Tensor] {
  precondition(
    sizes.reduce(0, +) == x.shape.width && sizes.allSatisfy { $0 >= 0 },
    "split: parts \(sizes) do not sum to the last extent of \(x.shape)")
  Profiler.begin(.elementwise)
  defer { Profiler.end() }
  let parts = cut(x, sizes: sizes)
  guard x.isTracked else { return parts }
  let shape = x.shape
  return record(parts, from: [x]) { [joined($0, sizes: sizes, shape)] }
}

private func cut(_ x: Tensor, sizes: [Int]) -> [Tensor] {
  let width = x.shape.width
  var start = 0
  return sizes.map { size in
    defer { start += size }
    return Tensor(x.shape.with(width: size)) { y in
      splitRows(x.shape.rows, width: size) {
        for row in $0 { (y + row * size).update(from: x.base + row * width + start, count: size) }
      }
    }
  }
}

/// The parts side by side; a missing part is zeros.
private func joined(_ parts: [Tensor?], sizes: [Int], _ shape: Shape) -> Tensor {
  Tensor(shape) { y in
    splitRows(shape.rows, width: shape.width) {
      for row in $0 {
        var at = y + row * shape.width
        for (part, size) in zip(parts, sizes) {
          if let part {
            at.update(from: part.base + row * size, count: size)
          } else {
            at.update(repeating: 0, count: size)
          }
          at += size
        }
      }
    }
  }
}
