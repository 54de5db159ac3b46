import Catalog
import Foundation
import Projections
import TestBasics
import Testing

/// The SQL files that follow from the catalog.
@Suite struct GeneratedFolderTests {
  /// Runs a body with a copy of the repository's files that may be changed.
  private func withCopy(_ body: (_ schema: String, _ projections: String) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory.path + "/daybook-generated-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { #expect(throws: Never.self) { try FileManager.default.removeItem(atPath: folder) } }
    try FileManager.default.copyItem(atPath: Repository.schema, toPath: folder + "/schema")
    try FileManager.default.copyItem(atPath: Repository.projections, toPath: folder + "/projections")
    try body(folder + "/schema", folder + "/projections")
  }

  private func change(_ path: String, _ old: String, _ new: String) throws {
    let text = try String(contentsOfFile: path, encoding: .utf8)
    #expect(text.contains(old))
    try text.replacing(old, with: new).write(toFile: path, atomically: true, encoding: .utf8)
  }

  private func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

  @Test func `the repository's files are what follows from its catalog`() throws {
    let catalog = try Catalog.load(folder: Repository.schema)
    #expect(try GeneratedFolder.differences(Repository.projections, catalog: catalog) == [])
    #expect(ReadModelText.all(of: catalog).allSatisfy { $0.text.split(separator: "\n").allSatisfy { $0.count <= 120 } })
  }

  @Test func `a changed word is named with its file and line, and written`() throws {
    try withCopy { schema, projections in
      try change("\(projections)/alerts.sql", "metadata in Django ETL.", "something else")
      let before = try text("\(projections)/alerts.sql")
      let line = before.prefix { $0 != "~" }.split(separator: "\n", omittingEmptySubsequences: false)
        .firstIndex { $0.contains("something else") }
      let catalog = try Catalog.load(folder: schema)
      let differences = try GeneratedFolder.differences(projections, catalog: catalog)
      #expect(differences.map(\.file) == ["alerts.sql"])
      #expect(differences.first?.kind == .differs(line: (line ?? -2) + 1))
      #expect(try text("\(projections)/alerts.sql") == before)
      #expect(try GeneratedFolder.write(projections, catalog: catalog) == differences)
      #expect(try text("\(projections)/alerts.sql") == text(Repository.projections + "/alerts.sql"))
      #expect(try GeneratedFolder.write(projections, catalog: catalog) == [])
    }
  }

  @Test func `lines that end as another platform has them keep what is written by hand`() throws {
    try withCopy { schema, projections in
      let path = "\(projections)/alerts.sql"
      let before = try text(path)
      let start = try #require(before.range(of: "-- section: indexes\n")).upperBound
      let hand = before[start...].replacing("\n", with: "\r\n")
      try before.replacing("\n", with: "\r\n").write(toFile: path, atomically: true, encoding: .utf8)
      let catalog = try Catalog.load(folder: schema)
      let definitions = try ProjectionFolder.load(projections, catalog: catalog)
      let own = try ProjectionFolder.load(Repository.projections, catalog: catalog)
      #expect(definitions.map(\.fingerprint) == own.map(\.fingerprint))
      #expect(try GeneratedFolder.write(projections, catalog: catalog).map(\.file) == ["alerts.sql"])
      #expect(try text(path).hasSuffix(hand))
    }
  }

  @Test func `a new field has its column and comment, and the indexes written by hand stay`() throws {
    try withCopy { schema, projections in
      let hand = "CREATE INDEX alerts_message ON daybook.alerts USING hash (message);\n"
      try change("\(projections)/alerts.sql", "-- section: indexes\n", "-- section: indexes\n" + hand)
      try change(
        "\(schema)/alert.yaml", "  alert_type:\n",
        "  priority: {type: enum, values: [low, normal], summary: It's how soon.}\n  alert_type:\n")
      let catalog = try Catalog.load(folder: schema)
      #expect(try GeneratedFolder.write(projections, catalog: catalog).map(\.file) == ["alerts.sql"])
      let written = try text("\(projections)/alerts.sql")
      #expect(written.contains("\n  severity           text,\n  priority           text,\n"))
      #expect(
        written.contains("COMMENT ON COLUMN daybook.alerts.priority IS 'It''s how soon. One of low, normal.';\n"))
      #expect(written.contains("\n-- section: indexes\n" + hand))
      let definitions = try ProjectionFolder.load(projections, catalog: catalog)
      let alerts = try #require(definitions.first { $0.name == "alerts" })
      #expect(alerts.columns.contains { $0.name == "priority" && $0.type == "text" })
    }
  }

  @Test func `a new type gets its file, with personal columns of their own and an empty section of indexes`() throws {
    try withCopy { schema, projections in
      let yaml = """
        resource: vendor
        plural: vendors
        summary: Who sells.
        organization: required
        fields:
          name: {type: string, max: 80, required: true}
          contact_id: {type: reference, to: user, on_delete: clear}
          phone: {type: string, max: 40, personal: {subject: contact_id, purpose: p, legal_basis: l, category: c, retention: r, recipients: [administrators]}}
          token: {type: text, secret: whole}
          pin: {type: text, secret: hash}
          tags: {type: tags}
          version_number: {type: integer, assignable: false}
        versioned: [name, tags]
        versions: {content: columns, named_by: version_named}
        commands: {create: {}, edit: {}, delete: {}}
        """
      try yaml.write(toFile: "\(schema)/vendor.yaml", atomically: true, encoding: .utf8)
      let catalog = try Catalog.load(folder: schema)
      let missing = try GeneratedFolder.differences(projections, catalog: catalog)
      #expect(missing.map(\.file) == ["vendor_versions.sql", "vendors.sql"])
      #expect(missing.allSatisfy { $0.kind == .missing })
      #expect(try GeneratedFolder.write(projections, catalog: catalog) == missing)
      let written = try text("\(projections)/vendors.sql")
      #expect(written.hasPrefix("-- Generated from schema/vendor.yaml by tools/generate"))
      #expect(written.hasSuffix("\n\n-- section: indexes\n"))
      let definitions = try ProjectionFolder.load(projections, catalog: catalog)
      let vendors = try #require(definitions.first { $0.name == "vendors" })
      #expect(vendors.columns.map(\.name).contains("token"))
      #expect(!vendors.columns.map(\.name).contains("pin"))
      #expect(vendors.personalColumns.map(\.name) == ["id", "phone"])
      let versions = try #require(definitions.first { $0.name == "vendor_versions" })
      #expect(versions.columns.contains { $0.name == "tags" && $0.type == "text[]" })
      #expect(versions.columns.map(\.name).contains("version_name"))
    }
  }

  @Test func `a file whose type is gone, or whose versions are, is named and stays`() throws {
    try withCopy { schema, projections in
      try FileManager.default.removeItem(atPath: "\(schema)/sql_role.yaml")
      try change(
        "\(schema)/tool.yaml", "versions: {summary: tool_versions (MecaPy)., id: shifted, content: columns}\n", "")
      try FileManager.default.copyItem(atPath: "\(projections)/sql_roles.sql", toPath: "\(projections)/old_roles.sql")
      let catalog = try Catalog.load(folder: schema)
      let told = try GeneratedFolder.write(projections, catalog: catalog)
      #expect(told.map(\.file) == ["old_roles.sql", "sql_roles.sql", "tool_versions.sql"])
      #expect(told.allSatisfy { $0.kind == .orphaned && !$0.isMendable && $0.problem.contains($0.file) })
      for file in told.map(\.file) { #expect(FileManager.default.fileExists(atPath: "\(projections)/\(file)")) }
      #expect(try GeneratedFolder.differences(projections, catalog: catalog) == told)
    }
  }
}
