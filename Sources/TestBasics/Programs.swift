import CanonicalJSON
import Foundation
import Glibc

/// The programs under test.
package enum Programs {
  /// A program beside the test bundle, or for `daybook` what DAYBOOK_BINARY names; nil where it isn't built.
  package static func path(_ name: String) -> String? {
    let path: String
    if name == "daybook", let named = ProcessInfo.processInfo.environment["DAYBOOK_BINARY"] {
      path = named
    } else {
      // Without /proc there is no program.
      let bundle = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? "."
      path = URL(fileURLWithPath: bundle).deletingLastPathComponent().appendingPathComponent(name).path
    }
    return access(path, X_OK) == 0 ? path : nil
  }

  /// The path of a program.
  /// - Throws: Where it isn't built.
  package static func built(_ name: String) throws -> String {
    guard let path = path(name) else { throw HarnessError("the program \(name) is not built: run swift build") }
    return path
  }
}

/// Whether tests run at their full sizes instead of those for every day: with `DAYBOOK_THOROUGH=1`.
package let isThorough = ProcessInfo.processInfo.environment["DAYBOOK_THOROUGH"] == "1"

/// What a program that has ended left.
package struct ProgramResult: Sendable {
  package let status: ExitStatus
  package let output: String
  package let errors: String

  /// The lines of its output.
  package var lines: [String] { output.split(separator: "\n").map(String.init) }

  /// Its output as JSON.
  /// - Throws: Where it is none, with what the program said.
  package func json() throws -> JSON {
    do {
      return try JSON.parse(output.trimmingCharacters(in: .whitespacesAndNewlines))
    } catch {
      throw HarnessError("no JSON (\(error)), \(status): \(output.prefix(500)) \(errors.suffix(1000))")
    }
  }
}

/// Runs a program to its end, and kills it when the time is over.
/// - Parameters:
///   - folder: where its output and errors are kept meanwhile.
///   - input: what it reads from its standard input.
///   - directory: the folder that it runs in; that of the tests where nil.
package func runProgram(
  _ command: [String], in folder: TemporaryFolder, input: String = "", directory: String? = nil,
  environment: [String: String] = [:], within limit: Duration = .seconds(60)
) async throws -> ProgramResult {
  let name = "\(folder.path)/run-\(UUID().uuidString)"
  if !input.isEmpty { try TestFiles.write(input.utf8, to: name + ".in") }
  let process = try SpawnedProcess(
    command, outputFile: name + ".out", errorFile: name + ".err", inputFile: input.isEmpty ? "/dev/null" : name + ".in",
    directory: directory, environment: environment)
  try folder.note(process.pid)
  do {
    let status = try await process.wait(within: limit)
    let result = ProgramResult(
      status: status, output: TestFiles.text(name + ".out"), errors: TestFiles.text(name + ".err"))
    for suffix in [".in", ".out", ".err"] { unlink(name + suffix) }
    return result
  } catch {
    process.send(SIGKILL)
    throw HarnessError(
      "\(command.prefix(4).joined(separator: " ")): \(error); stderr: \(TestFiles.tail(name + ".err"))")
  }
}
