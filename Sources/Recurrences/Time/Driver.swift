/// The driver of time: one loop over rows, shares of a row and chunks for all recurrences, forward and backward.

import RunnelKernels
import RunnelTensors

extension Recurrence {
  /// Runs over the segment and takes the state on. Without gradients the state is changed in place.
  func run(_ form: Form, state: inout Tensor) -> Tensor {
    var states = [state]
    state = .absent
    defer { state = states[0] }
    return run(form, states: &states)
  }

  /// The same for a state of several tensors, in the order of `load`.
  func run(_ form: Form, states: inout [Tensor]) -> Tensor {
    guard segment.length > 0 else { return Tensor(zeros: output) }
    Profiler.begin(.recurrence, name)
    defer { Profiler.end() }
    guard operands.contains(where: \.isTracked) || states.contains(where: \.isTracked) else {
      return forward(form, &states, keeping: nil)
    }
    let inputs = operands + states, kept = operands.map(\.kept), needs = operands.map(\.isTracked)
    let needsState = states.contains(where: \.isTracked)
    let grid = Grid(segment, chunk: chunkLength(.mix, keepsMemories: true))
    let starts = Storage(capacity: grid.count * units * memory), before = states.map(\.detached)
    if form == .parallel, grid.count > 0 {
      // There is one gradient for all forms, and it starts from the memories that the chunks meet.
      var again = states.map(\.detached)
      _ = forward(.mix, &again, keeping: (grid, starts))
    }
    let y = forward(form, &states, keeping: form == .parallel ? nil : (grid, starts))
    var call = self
    call.operands = []
    let held = needsOutput ? y : nil
    let outputs = record([y] + states, from: inputs, operation: name) { [call] gradients in
      var call = call
      call.operands = kept.map { $0() }
      return call.backward(
        grid, starts, before, y: held, dy: gradients[0], dfinal: Array(gradients.dropFirst()), needs,
        needsState: needsState)
    }
    states = Array(outputs.dropFirst())
    return outputs[0]
  }

  private func forward(
    _ form: Form, _ states: inout [Tensor], keeping kept: (grid: Grid, starts: Storage)?
  ) -> Tensor {
    let pass = form == .step && kept == nil ? Pass.stream : .forward
    let grid = kept?.grid ?? Grid(segment, chunk: chunkLength(form, keepsMemories: false))
    let own = states.indices.map { i in states[i].mutate { $0 } }, size = memory
    return Tensor(output) { y in
      withBases { bases in
        // A stream has one token: what a thread has of a row is one share.
        forEachShare(shares, joined: pass == .stream) { share in
          let scratch = makeScratch(share, grid, for: pass)
          withMemory(of: share, pass, own, states) { memory, parts in
            for chunk in grid.rows[share.row] {
              if chunk.isFresh {
                forEach(share, parts) { begin(memory[$0, $1], part: $1, count: $2) }
              } else if let kept, chunk.isKept {
                let number = (grid.first[share.row] + chunk.number) * units + share.units.lowerBound
                copy(share, parts, memory, to: kept.starts.base + number * size)
              }
              let piece = Piece(share: share, chunk: chunk, memory: memory, operands: bases, y: y)
              switch form {
              case .step where pass == .stream: stream(piece, scratch)
              case .step: step(piece, scratch)
              case .mix: self.chunk(piece, scratch)
              case .parallel: parallel(piece, scratch)
              }
            }
          }
          withExtendedLifetime(scratch) {}
        }
      }
    }
  }

  /// One gradient per operand and state tensor.
  private func backward(
    _ grid: Grid, _ starts: Storage, _ before: [Tensor], y: Tensor?, dy: Tensor?, dfinal: [Tensor?],
    _ needs: [Bool], needsState: Bool
  ) -> [Tensor?] {
    let dy = dy ?? Tensor(zeros: output)
    let gathered = zip(operands, gathering).map { $1.room(for: $0, batch: segment.batch) }
    // Where nothing flows in from behind the segment, nor out before it, the memories' gradients are room of a share.
    let hasSeed = dfinal.contains { $0 != nil }, hasStates = hasSeed || needsState
    var dstates = hasStates ? zip(dfinal, before).map { $0?.detached ?? Tensor(zeros: $1.shape) } : []
    let own = dstates.indices.map { i in dstates[i].mutate { $0 } }
    withBases { bases in
      forEachShare(gradientShares) { share in
        let scratch = makeScratch(share, grid, for: .gradient)
        let operands = zip(zip(operands, gathering), gathered).map {
          $1.storage.base + $0.1.part(of: share) * $0.0.count
        }
        withMemory(of: share, .gradient, own, dstates) { memory, parts in
          var hasLater = hasSeed
          let chunks = grid.rows[share.row], size = self.memory
          // Of the chunks that are not kept, one after the other.
          let room = Storage(capacity: share.units.count * size)
          let made = memories(at: room.base, parts, first: share.units.lowerBound)
          for chunk in chunks.reversed() {
            let number = grid.first[share.row] + chunk.number
            let start = chunk.isKept ? memories(at: starts.base + number * units * size, parts) : made
            if chunk.isFresh {
              forEach(share, parts) { begin(start[$0, $1], part: $1, count: $2) }
            } else if !chunk.isKept {
              load(share, from: before, into: room.base)
            }
            let piece = Piece(
              share: share, chunk: chunk, memory: start,
              operands: bases, y: (y ?? dy).storage.base + (y ?? dy).offset)
            gradient(
              piece,
              ChunkGradients(
                dy: dy.base, memory: memory, hasLater: hasLater, operands: operands, needs: needs),
              scratch)
            if chunk.isFresh { forEach(share, parts) { memory[$0, $1].update(repeating: 0, count: $2) } }
            hasLater = !chunk.isFresh
          }
          withExtendedLifetime(room) {}
        }
        finish(share, operands, scratch)
        withExtendedLifetime(scratch) {}
      }
    }
    return operands.indices.map { i in
      needs[i] ? gathering[i].sum(gathered[i]).reshaped(operands[i].shape) : nil
    } + (hasStates ? dstates : before.map { _ in Tensor?.none })
  }

  /// - Parameter joined: whether neighbouring shares that one thread works on are one.
  private func forEachShare(_ shares: Int, joined: Bool = false, _ body: (Share) -> Void) {
    // A single token of a small model is not worth waking another thread for.
    let grain = max(1, (1 << 15) * shares / max(1, segment.length * units * cost))
    WorkerPool.shared.split(segment.batch * shares, grain: grain) { items in
      var item = items.lowerBound
      while item < items.upperBound {
        let (row, index) = (item / shares, item % shares)
        let end = joined ? min(items.upperBound - row * shares, shares) : index + 1
        body(Share(row: row, index: index, units: units * index / shares..<units * end / shares))
        item += end - index
      }
    }
  }

  /// Calls `body` with every unit of a share, part and how many floats it has.
  private func forEach(
    _ share: Share, _ parts: [Part], _ body: (_ unit: Int, _ part: Int, _ count: Int) -> Void
  ) {
    for unit in share.units {
      for (i, part) in parts.enumerated() { body(unit, i, part.count(unit)) }
    }
  }

  /// Copies the memories of a share, one after the other.
  private func copy(_ share: Share, _ parts: [Part], _ memory: Memory, to place: MutableFloats) {
    var next = place
    forEach(share, parts) {
      next.update(from: memory[$0, $1], count: $2)
      next += parts[$1].size
    }
  }

  /// Where the operands begin; they live as long as the call.
  private func withBases(_ body: (UnsafePointer<Floats>) -> Void) {
    withUnsafeTemporaryAllocation(of: Floats.self, capacity: operands.count) { bases in
      for (i, operand) in operands.enumerated() { bases.initializeElement(at: i, to: operand.base) }
      if let first = bases.baseAddress { body(UnsafePointer(first)) }
    }
  }

  /// The memories of a row in the state tensors themselves.
  private func inPlace(_ row: Int, _ parts: [Part], _ states: [MutableFloats], _ tensors: [Tensor]) -> Memory
  {
    Memory(
      bases: parts.map {
        states[$0.tensor] + row * (tensors[$0.tensor].count / segment.batch) + $0.offset
      }, strides: parts.map(\.size))
  }

  /// The memories of a share for a pass, and their parts.
  private func withMemory(
    of share: Share, _ pass: Pass, _ states: [MutableFloats], _ tensors: [Tensor],
    _ body: (Memory, [Part]) -> Void
  ) {
    let isInPlace = isInPlace(pass)
    if tensors.isEmpty {
      let parts = isInPlace ? parts : [Part(size: memory, total: units * memory)]
      let count = share.units.count * memory, storage = Storage(capacity: count)
      storage.base.update(repeating: 0, count: count)
      body(memories(at: storage.base, parts, first: share.units.lowerBound), parts)
      withExtendedLifetime(storage) {}
    } else if isInPlace {
      let parts = parts
      body(inPlace(share.row, parts, states, tensors), parts)
    } else {
      let storage = Storage(capacity: share.units.count * memory)
      let held = Memory(bases: [storage.base], strides: [memory], first: share.units.lowerBound)
      for unit in share.units { load(share.row, unit, from: states, into: held[unit]) }
      body(held, [Part(size: memory, total: units * memory)])
      for unit in share.units { store(share.row, unit, held[unit], into: states) }
      withExtendedLifetime(storage) {}
    }
  }

  /// Copies the memories of a share from the states before the segment, one after the other.
  private func load(_ share: Share, from states: [Tensor], into room: MutableFloats) {
    let bases = states.map { MutableFloats(mutating: $0.base) }
    guard isInPlace(.gradient) else {
      for unit in share.units {
        load(share.row, unit, from: bases, into: room + (unit - share.units.lowerBound) * memory)
      }
      return
    }
    copy(share, parts, inPlace(share.row, parts, bases, states), to: room)
  }

  /// Memories that lie one after the other, as they are kept.
  private func memories(at base: MutableFloats, _ parts: [Part], first: Int = 0) -> Memory {
    var next = base
    let bases = parts.map { part in
      defer { next += part.size }
      return next
    }
    return Memory(bases: bases, strides: parts.map { _ in memory }, first: first)
  }
}

extension Gathering {
  /// Room for the gradient of an operand in all its parts.
  fileprivate func room(for operand: Tensor, batch: Int) -> Tensor {
    switch self {
    case .perToken: Tensor(uninitialized: operand.shape)
    case .perTokenParts(let count): Tensor(uninitialized: [count, operand.count])
    case .shared: Tensor(zeros: [batch, operand.count])
    }
  }
  fileprivate func part(of share: Share) -> Int {
    switch self {
    case .perToken: 0
    case .perTokenParts(let count): share.index % count
    case .shared: share.row
    }
  }
  fileprivate func sum(_ parts: Tensor) -> Tensor {
    if case .perToken = self { parts } else { sumOfRows(parts) }
  }
}

/// The sum over the outermost axis: [R W] → [W].
func sumOfRows(_ x: Tensor) -> Tensor {
  let shape = Shape(x.shape.dropFirst())
  return Tensor(shape) { sumOfRows(x.base, rows: x.shape[0], width: shape.elements, into: $0) }
}
