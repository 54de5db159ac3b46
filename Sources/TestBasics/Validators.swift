import Foundation

/// Programs that others wrote, of PyPI, which read what this one writes: of the Python that DAYBOOK_VALIDATORS names,
/// or of the system's.
package enum Validators {
  /// The program of that Python.
  package static var python: String { ProcessInfo.processInfo.environment["DAYBOOK_VALIDATORS"] ?? "python3" }

  /// The Python of the producers of OpenLineage, which need many packages: what DAYBOOK_PRODUCERS names, or the same.
  package static var producers: String { ProcessInfo.processInfo.environment["DAYBOOK_PRODUCERS"] ?? python }

  /// Whether a Python, the one of validators unless another is given, has these modules.
  package static func have(_ modules: String..., in python: String = python) -> Bool {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [python, "-c", "import \(modules.joined(separator: ", "))"]
    process.standardError = FileHandle.nullDevice
    // Without a Python there is no module.
    guard (try? process.run()) != nil else { return false }
    process.waitUntilExit()
    return process.terminationStatus == 0
  }

  /// Runs a program in Python, and answers what it printed.
  /// - Throws: ``HarnessError`` with what it said where it ended with another code than 0.
  @discardableResult
  package static func run(_ program: String, _ arguments: String..., in folder: TemporaryFolder) async throws -> String
  {
    let result = try await runProgram([python, "-c", program] + arguments, in: folder)
    guard result.status == .code(0) else { throw HarnessError("\(result.status): \(result.errors)") }
    return result.output
  }
}
