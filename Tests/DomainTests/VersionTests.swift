import BasicTypes
import CanonicalJSON
import Catalog
import DaybookTestKit
import Domain
import EventLog
import Refusals
import Testing

/// Numbered versions of every type that the catalog calls versioned.
@Suite struct VersionTests {
  /// What makes one of a type, what changes its content, and what changes something else.
  struct Subject: Sendable, CustomTestStringConvertible {
    let type: String
    let made: JSONObject
    let change: JSONObject
    let sameInOtherOrder: JSONObject
    let unversioned: JSONObject
    var testDescription: String { type }
  }

  static let subjects: [Subject] = [
    Subject(
      type: "tool",
      made: [
        "name": "t", "display_name": "T", "description": "d", "code_template": "print(1)",
        "docker_image": "python:3.12",
      ],
      change: ["code_template": "print(2)"], sameInOtherOrder: ["name": "t"], unversioned: ["is_active": false]),
    Subject(
      type: "pipeline_template",
      made: ["name": "t", "category": "etl", "template_config": ["config": ["a": 1, "b": 2]]],
      change: ["template_config": ["config": ["a": 2]]],
      sameInOtherOrder: ["template_config": ["config": ["b": 2, "a": 1]]], unversioned: ["is_public": true]),
    Subject(
      type: "module_template",
      made: [
        "name": "t", "category": "loader", "type": "s3", "config_schema": ["type": "object", "title": "x"],
        "default_config": ["a": 1],
      ],
      change: ["default_config": nil], sameInOtherOrder: ["config_schema": ["title": "x", "type": "object"]],
      unversioned: ["is_active": false]),
    Subject(
      type: "transformation", made: ["name": "t", "transformation_type": "map", "config": ["a": 1, "b": 2]],
      change: ["config": ["a": 1]], sameInOtherOrder: ["config": ["b": 2, "a": 1]], unversioned: ["is_active": false]),
    Subject(
      type: "transformation_function",
      made: [
        "name": "f", "display_name": "F", "category": "map", "function_type": "sql", "function_code": "SELECT 1",
        "parameters": ["a": 1, "b": 2],
      ],
      change: ["function_code": "SELECT 2"], sameInOtherOrder: ["parameters": ["b": 2, "a": 1]],
      unversioned: ["is_public": true]),
    Subject(
      type: "schema_mapping",
      made: [
        "name": "m", "source_schema": ["a": 1, "b": 2], "destination_schema": ["a": 1], "field_mappings": ["a": "a"],
      ],
      change: ["field_mappings": ["a": "b"]], sameInOtherOrder: ["source_schema": ["b": 2, "a": 1]],
      unversioned: ["is_active": false]),
    Subject(
      type: "dashboard", made: ["name": "d", "layout_config": ["a": 1, "b": 2]], change: ["layout_config": ["a": 2]],
      sameInOtherOrder: ["layout_config": ["b": 2, "a": 1]], unversioned: ["is_shared": true]),
  ]

  @Test(arguments: subjects)
  func `content is numbered and comes back by a rollback`(_ subject: Subject) async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let id = try await book.make(
      "\(subject.type)", subject.made.merging(["organization_id": .string(acme)]))
    let target: JSONObject = ["id": .string(id)]
    let versioned = try #require(book.catalog.type(subject.type)).versionedContent
    let first = try book.item(id)
    #expect(first["version_number"] == 1)
    #expect(
      try await book.call("\(subject.type).edit", target.merging(subject.sameInOtherOrder))["events"] == [],
      "another order of keys is no change")
    try await book.call("\(subject.type).edit", target.merging(subject.unversioned))
    #expect(try book.item(id)["version_number"] == 1, "what is not versioned makes no version")
    try await book.call("\(subject.type).edit", target.merging(subject.change))
    let second = try book.item(id)
    #expect(second["version_number"] == 2)
    let result = try await book.call(
      "\(subject.type).rollback", target.merging(["to_version": 1, "reason": "it was better"]))
    #expect(result.eventNames == ["\(subject.type).rolled_back"])
    let third = try book.item(id)
    #expect(third["version_number"] == 3)
    for name in versioned { #expect(third[name] == first[name], "\(name)") }
    for (name, value) in subject.unversioned { #expect(third[name] == value, "a rollback leaves \(name) alone") }
    #expect(try book.records(of: id).last?.body.data == ["rolled_back_to": 1])
    #expect(
      try await book.call("\(subject.type).rollback", target.merging(["to_version": 3]))["events"] == [],
      "what is there already needs no rollback")
    try await book.call("\(subject.type).rollback", target.merging(["to_version": 2]))
    for name in versioned { #expect(try book.item(id)[name] == second[name], "\(name)") }
    let missing = try await book.refusal("\(subject.type).rollback", target.merging(["to_version": 5]))
    #expect(missing.paths == ["/to_version"])
    #expect(
      try await book.refusal("\(subject.type).edit", target.merging(["version_number": 9])).paths
        == ["/version_number"])
  }

  @Test func `columns of a schema definition are versioned`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    func column(_ type: String) -> JSON { [["name": "a", "type": .string(type)]] }
    let id = try await book.make(
      "schema_definition", ["name": "s", "columns": column("string"), "organization_id": .string(acme)])
    try await book.call("schema_definition.edit", ["id": .string(id), "columns": column("string")])
    #expect(try book.item(id)["version_number"] == 1)
    try await book.call("schema_definition.edit", ["id": .string(id), "columns": column("struct")])
    try await book.call("schema_definition.rollback", ["id": .string(id), "to_version": 1])
    #expect(try book.item(id)["columns"] == [["name": "a", "type": "string", "nullable": true]])
    #expect(try book.item(id)["version_number"] == 3)
  }

  @Test func `every versioned type has a rollback`() throws {
    let book = try TestDomain()
    for type in book.catalog.types where !type.versionedContent.isEmpty {
      #expect(type.command("rollback")?.event == "rolled_back", "\(type.name)")
    }
  }
}
