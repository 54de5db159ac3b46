import Catalog
import Foundation
import Projections
import TestBasics
import Testing

/// The SQL files and the catalog say the same.
@Suite struct DefinitionTests {
  @Test func `every field has its column, and every column its field`() throws {
    let catalog = try Catalog.load(folder: Repository.schema)
    let definitions = try ProjectionFolder.load(Repository.projections, catalog: catalog)
    for type in catalog.types where type.hasReadModel {
      #expect(definitions.contains { $0.source == .state(type: type.name) }, "\(type.name)")
    }
    for name in ["audit_trail", "pipeline_versions", "run_logs", "run_metrics", "data_previews"] {
      #expect(definitions.contains { $0.name == name })
    }
    #expect(definitions.allSatisfy { !$0.summary.isEmpty })
  }

  @Test(arguments: [
    ("users.sql", "  is_staff       boolean,\n", "", "lacks the column is_staff"),
    ("users.sql", "  role           text,\n", "  role           text,\n  extra text,\n", "has the column extra"),
    ("users.sql", "  role           text,\n", "  role           integer,\n", "role is of type integer"),
    ("users.sql", "  email           varchar(255)", "  email           varchar(99)", "varchar(255)"),
    ("users.sql", "  role           text,\n", "  role           text,\n  password_hash text,\n", "password_hash"),
    ("users.sql", "CREATE UNLOGGED TABLE personal", "CREATE TABLE personal", "UNLOGGED"),
    ("users.sql", "-- from: user\n", "-- from: nobody\n", "no resource type nobody"),
    ("run_logs.sql", "-- opens: data", "-- opens: soul", "soul"),
    ("run_logs.sql", "-- needs: run_id", "-- needs: name", "not immutable"),
    ("run_logs.sql", "-- section: fill opened", "-- section: fill upwards", "fill upwards"),
  ])
  func `a file that contradicts the catalog is refused by name`(
    _ file: String, _ old: String, _ new: String, _ problem: String
  ) throws {
    let temporary = try TemporaryFolder()
    defer { withExtendedLifetime(temporary) {} }
    let folder = temporary.path + "/projections"
    try FileManager.default.copyItem(atPath: Repository.projections, toPath: folder)
    let text = try String(contentsOfFile: "\(folder)/\(file)", encoding: .utf8)
    #expect(text.contains(old))
    try text.replacingOccurrences(of: old, with: new).write(
      toFile: "\(folder)/\(file)", atomically: true, encoding: .utf8)
    let catalog = try Catalog.load(folder: Repository.schema)
    let error = #expect(throws: ProjectionError.self) { try ProjectionFolder.load(folder, catalog: catalog) }
    #expect(error?.message.contains("projections/\(file)") == true)
    #expect(error?.message.contains(problem) == true, "\(error?.message ?? "")")
  }

  @Test func `a resource type without a file is refused`() throws {
    let temporary = try TemporaryFolder()
    defer { withExtendedLifetime(temporary) {} }
    let folder = temporary.path + "/projections"
    try FileManager.default.copyItem(atPath: Repository.projections, toPath: folder)
    try FileManager.default.removeItem(atPath: folder + "/alerts.sql")
    let catalog = try Catalog.load(folder: Repository.schema)
    let error = #expect(throws: ProjectionError.self) { try ProjectionFolder.load(folder, catalog: catalog) }
    #expect(error?.message.contains("alerts.sql") == true)
  }
}
