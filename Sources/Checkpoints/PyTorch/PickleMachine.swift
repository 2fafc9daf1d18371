/// Reads the pickle of a torch.save file without running anything.
///
/// A pickle is a program for a stack machine. Only the operations that tensors, dictionaries, lists and plain
/// values need are known here, and only the few global names below; the functions among them are never called:
/// what `torch._utils._rebuild_tensor_v2` is given is noted down as a tensor. Everything else is an error that
/// names the operation and its position. Containers live in one array and refer to each other by index, so
/// that neither depth nor cycles in the file reach our stack.

import RunnelFiles

/// What lies on the machine's stack. The numbers are indices into the machine's arrays.
enum PickleValue {
  case none
  case flag(Bool)
  case integer(Int)
  case double(Double)
  case text(String)
  case global(PickleGlobal)
  case container(Int)
  case storage(Int)
  case tensor(Int)
}

enum PickleGlobal: Equatable {
  case orderedDictionary
  case rebuildTensor
  case rebuildParameter
  case storage(ElementType)

  static let known: [String: PickleGlobal] = [
    "collections.OrderedDict": .orderedDictionary,
    "torch._utils._rebuild_tensor_v2": .rebuildTensor,
    "torch._utils._rebuild_parameter": .rebuildParameter,
    "torch.FloatStorage": .storage(.float32), "torch.DoubleStorage": .storage(.float64),
    "torch.HalfStorage": .storage(.float16), "torch.BFloat16Storage": .storage(.bfloat16),
    "torch.LongStorage": .storage(.int64), "torch.IntStorage": .storage(.int32),
    "torch.ShortStorage": .storage(.int16), "torch.CharStorage": .storage(.int8),
    "torch.ByteStorage": .storage(.uint8), "torch.BoolStorage": .storage(.bool),
    "torch.ComplexFloatStorage": .storage(.complex64),
  ]
}

struct PickleContainer {
  enum Kind { case dictionary, list, tuple }
  let kind: Kind
  /// A dictionary's keys; empty in the others.
  var keys: [PickleValue] = []
  var values: [PickleValue] = []
}

/// Numbers that tensors share: an entry of the archive.
struct PickleStorage {
  let type: ElementType
  let key: String
  let count: Int
}

/// A view of a storage, nothing of it checked yet; extents and strides in elements.
struct PickleTensor {
  let storage: PickleStorage
  let offset: Int
  let shape: [Int]
  let strides: [Int]
}

struct PickleMachine {
  private(set) var containers = [PickleContainer(kind: .tuple)]
  private(set) var tensors: [PickleTensor] = []
  private var storages: [PickleStorage] = []
  private var stack: [PickleValue] = []
  private var marks: [Int] = []
  private var memo: [Int: PickleValue] = [:]
  private var input: ByteCursor
  /// Where the operation at hand begins.
  private var place = 0

  /// The empty tuple, which needs no container of its own.
  private static let emptyTuple = PickleValue.container(0)

  init(_ bytes: [UInt8], file: String) {
    input = ByteCursor(bytes, file: file, part: "data.pkl")
  }

  /// Reads up to the end of the program; the value that it leaves.
  mutating func run() throws(FileError) -> PickleValue {
    while true {
      place = input.position
      let byte = try input.integer(UInt8.self)
      guard let operation = PickleOperation(rawValue: byte) else {
        throw failure(
          expected: "an operation that tensors need", found: PickleOperation.name(refused: byte),
          remedy: Self.advice)
      }
      if operation == .stop { return try pop() }
      try perform(operation)
    }
  }

  private static let advice = "nothing of it was run: save only tensors, torch.save(model.state_dict(), …)"

  private func failure(
    expected: String, found: String, remedy: String = FileError.damaged
  ) -> FileError {
    input.failure(at: place, expected: expected, found: found, remedy: remedy)
  }

  private mutating func perform(_ operation: PickleOperation) throws(FileError) {
    switch operation {
    case .proto: try checkProtocol()
    case .frame: _ = try input.take(8)
    case .stop: break

    case .none: stack.append(.none)
    case .newTrue: stack.append(.flag(true))
    case .newFalse: stack.append(.flag(false))
    case .binInt: stack.append(.integer(Int(try input.integer(Int32.self))))
    case .binInt1: stack.append(.integer(Int(try input.integer(UInt8.self))))
    case .binInt2: stack.append(.integer(Int(try input.integer(UInt16.self))))
    case .long1: stack.append(.integer(try longInteger()))
    case .binFloat:
      let bits = try input.integer(UInt64.self).byteSwapped
      stack.append(.double(Double(bitPattern: bits)))
    case .binUnicode: stack.append(.text(try input.text(try input.size(UInt32.self))))
    case .shortBinUnicode: stack.append(.text(try input.text(try input.size(UInt8.self))))

    case .emptyTuple: stack.append(Self.emptyTuple)
    case .emptyList: append(PickleContainer(kind: .list))
    case .emptyDictionary: append(PickleContainer(kind: .dictionary))
    case .mark: marks.append(stack.count)
    case .tuple: append(PickleContainer(kind: .tuple, values: try popToMark()))
    case .tuple1: append(PickleContainer(kind: .tuple, values: try pop(1)))
    case .tuple2: append(PickleContainer(kind: .tuple, values: try pop(2)))
    case .tuple3: append(PickleContainer(kind: .tuple, values: try pop(3)))
    case .setItem: try setItems(try pop(2))
    case .setItems: try setItems(try popToMark())
    case .append: try appendItems(try pop(1))
    case .appends: try appendItems(try popToMark())

    case .binPut: memo[try input.size(UInt8.self)] = try top()
    case .longBinPut: memo[try input.size(UInt32.self)] = try top()
    case .memoize: memo[memo.count] = try top()
    case .binGet: try recall(try input.size(UInt8.self))
    case .longBinGet: try recall(try input.size(UInt32.self))

    case .global: try pushGlobal(try input.line(), try input.line())
    case .stackGlobal:
      let names = try pop(2)
      guard case .text(let module) = names[0], case .text(let name) = names[1] else {
        throw failure(expected: "a module and a name", found: "other values")
      }
      try pushGlobal(module, name)
    case .binPersid: try pushStorage(try pop())
    case .reduce: try reduce()
    case .build:
      // Module.state_dict hangs its version numbers on the dictionary; they are of no use here.
      _ = try pop()
      guard case .container(let index) = try top(), containers[index].kind == .dictionary else {
        throw failure(expected: "BUILD on a dictionary", found: "another value", remedy: Self.advice)
      }
    }
  }
}

extension PickleMachine {
  private mutating func append(_ container: PickleContainer) {
    stack.append(.container(containers.count))
    containers.append(container)
  }

  private func top() throws(FileError) -> PickleValue {
    guard stack.count > marks.last ?? 0, let value = stack.last else {
      throw failure(expected: "a value on the stack", found: "none")
    }
    return value
  }
  private mutating func pop() throws(FileError) -> PickleValue {
    let value = try top()
    stack.removeLast()
    return value
  }
  private mutating func pop(_ count: Int) throws(FileError) -> [PickleValue] {
    guard stack.count - (marks.last ?? 0) >= count else {
      throw failure(expected: "\(count) values on the stack", found: "\(stack.count - (marks.last ?? 0))")
    }
    defer { stack.removeLast(count) }
    return Array(stack.suffix(count))
  }
  private mutating func popToMark() throws(FileError) -> [PickleValue] {
    guard let mark = marks.popLast() else { throw failure(expected: "a mark on the stack", found: "none") }
    defer { stack.removeLast(stack.count - mark) }
    return Array(stack[mark...])
  }

  private mutating func setItems(_ items: [PickleValue]) throws(FileError) {
    guard case .container(let index) = try top(), containers[index].kind == .dictionary,
      items.count.isMultiple(of: 2)
    else { throw failure(expected: "pairs for a dictionary", found: "other values") }
    for i in stride(from: 0, to: items.count, by: 2) {
      containers[index].keys.append(items[i])
      containers[index].values.append(items[i + 1])
    }
  }
  private mutating func appendItems(_ items: [PickleValue]) throws(FileError) {
    guard case .container(let index) = try top(), containers[index].kind == .list else {
      throw failure(expected: "a list to append to", found: "another value")
    }
    containers[index].values += items
  }
  private mutating func recall(_ index: Int) throws(FileError) {
    guard let value = memo[index] else {
      throw failure(expected: "a value put away as number \(index)", found: "none")
    }
    stack.append(value)
  }

  private mutating func checkProtocol() throws(FileError) {
    let version = try input.integer(UInt8.self)
    guard version >= 2 && version <= 5 else {
      throw failure(expected: "pickle protocol 2 to 5", found: "\(version)", remedy: Self.advice)
    }
  }
  private mutating func longInteger() throws(FileError) -> Int {
    let bytes = try input.take(try input.size(UInt8.self))
    guard bytes.count <= 8 else {
      throw failure(expected: "a whole number of at most 8 bytes", found: "one of \(bytes.count)")
    }
    guard let last = bytes.last else { return 0 }
    let isNegative = last & 0x80 != 0
    return bytes.reversed().reduce(isNegative ? -1 : 0) { $0 << 8 | Int($1) }
  }

  private mutating func pushGlobal(_ module: String, _ name: String) throws(FileError) {
    guard let global = PickleGlobal.known[module + "." + name] else {
      throw failure(
        expected: "only the types that tensors need", found: quoted(module + "." + name),
        remedy: Self.advice)
    }
    stack.append(.global(global))
  }

  /// The tuple ("storage", type, key, device, count).
  private mutating func pushStorage(_ identifier: PickleValue) throws(FileError) {
    guard let parts = tuple(identifier), parts.count == 5, case .text("storage") = parts[0],
      case .global(.storage(let type)) = parts[1], case .text(let key) = parts[2],
      case .integer(let count) = parts[4]
    else { throw failure(expected: "the description of a storage", found: "other values") }
    stack.append(.storage(storages.count))
    storages.append(PickleStorage(type: type, key: key, count: count))
  }

  private mutating func reduce() throws(FileError) {
    let parts = try pop(2)
    guard case .global(let function) = parts[0], let arguments = tuple(parts[1]) else {
      throw failure(
        expected: "a known function and its arguments", found: "other values", remedy: Self.advice)
    }
    switch function {
    case .orderedDictionary where arguments.isEmpty: append(PickleContainer(kind: .dictionary))
    case .rebuildTensor where rebuildTensor(arguments): break
    case .rebuildParameter where arguments.count == 3: stack.append(arguments[0])
    default:
      throw failure(
        expected: "the arguments of a tensor or dictionary", found: "others", remedy: Self.advice)
    }
  }

  /// From (storage, offset, shape, strides, requires_grad, hooks) and in some versions a dictionary; false if
  /// the arguments are others.
  private mutating func rebuildTensor(_ arguments: [PickleValue]) -> Bool {
    guard (6...7).contains(arguments.count), case .storage(let storage) = arguments[0],
      case .integer(let offset) = arguments[1], let shape = integers(arguments[2]),
      let strides = integers(arguments[3])
    else { return false }
    stack.append(.tensor(tensors.count))
    tensors.append(PickleTensor(storage: storages[storage], offset: offset, shape: shape, strides: strides))
    return true
  }

  private func tuple(_ value: PickleValue) -> [PickleValue]? {
    guard case .container(let index) = value, containers[index].kind == .tuple else { return nil }
    return containers[index].values
  }
  private func integers(_ value: PickleValue) -> [Int]? {
    guard let values = tuple(value), values.count <= PyTorchFile.maximumRank else { return nil }
    var numbers: [Int] = []
    for value in values {
      guard case .integer(let number) = value else { return nil }
      numbers.append(number)
    }
    return numbers
  }
}
