import Foundation
import TestBasics
import Testing

/// The five documents, beside the repository, as scripts read them.
enum PrintedDocuments {
  private static let folder = Repository.sharedData.map { "\(($0 as NSString).deletingLastPathComponent)/seeds" }

  /// Whether they are there.
  static var areThere: Bool { folder.map { FileManager.default.fileExists(atPath: $0) } ?? false }

  /// What a script of Tests/Python says of them, line by line.
  /// - Parameter url: The PostgreSQL database in which it makes their schemas.
  static func told(by script: String, _ url: String) async throws -> [String] {
    try await TemporaryFolder.with { directory in
      let result = try await runProgram(
        ["/usr/bin/env", Validators.python, "\(Repository.root)/Tests/Python/\(script)", try #require(folder), url],
        in: directory, environment: ["PYTHONDONTWRITEBYTECODE": "1"], within: .seconds(300))
      try #require(result.status == .code(0) && result.lines.last == "done", "\(result.output) \(result.errors)")
      return result.lines.dropLast().map { String($0) }
    }
  }
}

extension Trait where Self == ConditionTrait {
  /// Skips a test, and says why, where the documents are absent.
  static var needsPrintedDocuments: Self {
    .enabled(if: PrintedDocuments.areThere, "needs the five documents in ../shared/seeds, which are absent")
  }

  /// Skips a test, and says why, where nothing makes the documents' schemas.
  static var needsDjango: Self {
    .enabled(
      if: Validators.have("django", "psycopg"), "PyPI's Django and psycopg are not installed for DAYBOOK_VALIDATORS")
  }
}
