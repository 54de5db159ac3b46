import Catalog
import DaybookClient
import DaybookTestKit
import Foundation
import TestBasics
import Testing

/// The models that `daybook catalog` writes, loaded by the libraries that they are for, over the demo's rows.
@Suite(.serialized) struct ModelTests {
  /// Runs one of the programs of Tests/Python, which says `done` at its end.
  private func run(_ script: String, _ arguments: [String], in folder: TemporaryFolder) async throws {
    let result = try await runProgram(
      [Validators.python, "\(Repository.root)/Tests/Python/\(script)"] + arguments, in: folder, directory: folder.path,
      environment: ["PYTHONPATH": "\(Repository.root)/tools/django", "PYTHONDONTWRITEBYTECODE": "1"],
      within: .seconds(120))
    #expect(result.status == .code(0) && result.output.hasSuffix("done\n"), "\(result.output) \(result.errors)")
  }

  private static let platforms = ["etl_builder", "django_etl", "data_aggregator", "mecapy", "etlab"]

  /// What a built server keeps after the demo told it some days, while it still runs.
  private func withDemo(_ body: (TemporaryFolder, _ url: String, _ address: String) async throws -> Void) async throws {
    try await TemporaryFolder.with { folder in
      let url = try await ThrowawayPostgres.database()
      let server = DaybookProcess(
        folder: folder, listen: "none", arguments: ["--postgres", url, "--log-level", "error"])
      try await server.start()
      try await closing(
        {
          let told = try await runProgram(
            [try Programs.built("daybook-demo"), "--scale", "0.05", "--days", "4"], in: folder, directory: folder.path,
            environment: ["DAYBOOK_DATA": server.data], within: .seconds(300))
          try #require(told.status == .code(0), "\(told.output) \(told.errors)")
          try await body(folder, url, server.unixAddress)
        },
        {
          let status = try await server.terminate()
          #expect(status == .code(0))
        })
    }
  }

  private func write(_ options: [String], to path: String, in folder: TemporaryFolder) async throws {
    let written = try await runProgram(
      [try Programs.built("daybook"), "catalog"] + options, in: folder, directory: Repository.root)
    try #require(written.status == .code(0), "\(written.errors)")
    try TestFiles.write(written.output.utf8, to: path)
  }

  @Test(
    .enabled(
      if: Validators.have("django", "psycopg"), "PyPI's Django and psycopg are not installed for DAYBOOK_VALIDATORS"),
    .timeLimit(.minutes(10)))
  func `a Django application lists, joins, annotates, filters, signs people in and writes`() async throws {
    try await withDemo { folder, url, address in
      let app = "\(folder.path)/shop"
      try FileManager.default.createDirectory(atPath: app, withIntermediateDirectories: true)
      try TestFiles.write("".utf8, to: "\(app)/__init__.py")
      try await write(["--platform", "django_etl", "--django", "--written"], to: "\(app)/models.py", in: folder)
      try await run("django_application.py", [folder.path, url, address], in: folder)
    }
  }

  @Test(
    .enabled(if: Validators.have("sqlalchemy", "psycopg"), "PyPI's SQLAlchemy is not installed for DAYBOOK_VALIDATORS"),
    .timeLimit(.minutes(10)))
  func `SQLAlchemy reads every table of every platform, and follows what each row refers to`() async throws {
    try await withDemo { folder, url, _ in
      for platform in Self.platforms {
        let path = "\(folder.path)/\(platform).py"
        try await write(["--platform", platform, "--sqlalchemy"], to: path, in: folder)
        try await run("sqlalchemy_models.py", [path, url, platform], in: folder)
      }
    }
  }

  @Test(
    .enabled(
      if: Validators.have("yaml", "psycopg"), "PyPI's PyYAML and psycopg are not installed for DAYBOOK_VALIDATORS"),
    .timeLimit(.minutes(10)))
  func `a dbt source has the columns that are there, and what it tests holds`() async throws {
    try await withDemo { folder, url, _ in
      for platform in Self.platforms {
        let path = "\(folder.path)/\(platform).yml"
        try await write(["--platform", platform, "--dbt"], to: path, in: folder)
        try await run("dbt_source.py", [path, url], in: folder)
      }
    }
  }

  @Test func `models without a platform, or of one that isn't there, are refused with what to do`() async throws {
    try await TemporaryFolder.with { folder in
      for (options, said) in [(["--django"], "Add --platform"), (["--dbt", "--platform", "mecappy"], "mecapy")] {
        let refused = try await runProgram(
          [try Programs.built("daybook"), "catalog"] + options, in: folder, directory: Repository.root)
        #expect(refused.status == .code(64) && refused.errors.contains(said), "\(refused.errors)")
      }
    }
  }
}
