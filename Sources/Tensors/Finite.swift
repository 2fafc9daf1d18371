/// Whether numbers are finite: a pass at the speed of memory, made where results leave the library.

import CKernels

extension Tensor {
  /// Whether no element is a NaN or an infinity.
  public var isFinite: Bool { runnel_is_finite(count, base) != 0 }

  /// The place of the first NaN or infinity.
  package var firstNonFinite: Int? {
    isFinite ? nil : UnsafeBufferPointer(start: base, count: count).firstIndex { !$0.isFinite }
  }
}
