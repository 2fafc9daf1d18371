/// The associative scan of the papers (S5, LRU, Mamba), for comparison with the fused one.

import CKernels
import RunnelTensors

/// h_t = a_t h_{t−1} + b_t for all tokens at once: ⌈log₂ T⌉ levels, each of which joins every token with the one 1, 2, 4, …
/// before. It does T log T work.
///
/// - Parameters:
///   - decays, inputs: a and b, [T planes width], complex numbers in two planes; both are changed.
///   - re, im: h before the first token and after the last; for real numbers `re` alone.
/// - Returns: every h_t.
func associativeScan(
  _ steps: Int, width: Int, planes: Int, decays: Storage, inputs: Storage, _ re: MutableFloats,
  _ im: MutableFloats
) -> Storage {
  let row = planes * width, plane = planes == 2 ? width : 0
  var decays = decays, sums = inputs
  var nextDecays = Storage(capacity: steps * row), nextSums = Storage(capacity: steps * row)
  // The state enters through the first token: b_0 + a_0 h.
  runnel_diagonal(1, width, plane, row, 0, decays.base, sums.base, re, im, nextSums.base)
  sums.base.update(from: nextSums.base, count: row)
  var distance = 1
  while distance < steps {
    runnel_diagonal_level(
      steps, distance, width, plane, decays.base, sums.base, nextDecays.base, nextSums.base)
    swap(&decays, &nextDecays)
    swap(&sums, &nextSums)
    distance *= 2
  }
  let last = sums.base + (steps - 1) * row
  re.update(from: last, count: width)
  if planes == 2 { im.update(from: last + width, count: width) }
  withExtendedLifetime((decays, nextDecays, nextSums)) {}
  return sums
}
