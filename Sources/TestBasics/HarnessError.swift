import Glibc

/// What a harness can't do.
package struct HarnessError: Error, CustomStringConvertible {
  /// A sentence for whoever reads the failure of a test.
  package let description: String

  package init(_ description: String) { self.description = description }

  /// A failed system call.
  package static func call(_ name: String, _ code: Int32 = errno) -> HarnessError {
    HarnessError("\(name): \(String(cString: strerror(code)))")
  }
}
