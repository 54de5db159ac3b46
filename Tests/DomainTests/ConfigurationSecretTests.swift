import Access
import BasicTypes
import CanonicalJSON
import Catalog
import DaybookTestKit
import Domain
import EventLog
import Foundation
import Records
import Refusals
import TestBasics
import Testing
import Vault

/// Secrets in configurations: sealed wherever they stand, masked wherever they are shown, and kept by their masks.
@Suite struct ConfigurationSecretTests {
  private static let mask: JSON = "********"

  /// What `pipeline.reveal` shows.
  private func revealed(_ id: String, _ book: TestDomain, _ type: String = "pipeline") async throws -> JSON {
    let answer = try await book.call("\(type).reveal", ["id": .string(id), "reason": "the test runs it"])
    #expect(answer.eventNames == ["\(type).revealed"])
    return try #require(answer["data"])
  }

  /// A value of each field that may hold secrets, with one in it.
  private static func values(_ type: ResourceType, _ secret: String) -> JSONObject {
    var values = JSONObject()
    for field in type.fields {
      switch field.secret {
      case .configuration, .members: values[field.name] = ["db_password": .string(secret), "host": "h"]
      case .texts: values[field.name] = ["uri": .string("postgres://ann:\(secret)@h/x"), "host": "h"]
      default: break
      }
      let items = field.items.filter { $0.secret != nil }
      guard !items.isEmpty else { continue }
      values[field.name] = [
        ["name": "one", "order_index": 0, "step_type": "extract", "config": ["token": .string(secret), "host": "h"]]
      ]
    }
    return values
  }

  @Test func `no field of any type lets a secret into the log, and each shows the mask`() async throws {
    let book = try TestDomain()
    let maker = try await ResourceMaker(nil, catalog: book.catalog) { try await book.call($0, $1) }
    var seen = 0
    for type in book.catalog.types {
      let values = Self.values(type, "m4rk3r-\(type.name)")
      guard !values.isEmpty, type.name != "organization" else { continue }
      let id = try await maker.make(type.name, with: values)
      for (name, _) in values {
        let shown = try #require(try book.item(id)[name]).canonicalString
        #expect(shown.contains("********"), "\(type.name).\(name)")
        #expect(!shown.contains("m4rk3r"), "\(type.name).\(name)")
        seen += 1
      }
      let shown = try book.item(id).filter { values.contains($0.key) }
      let isEditable = shown.allSatisfy { type.field($0.key)?.isImmutable == false }
      if isEditable {
        #expect(
          try await book.call("\(type.name).edit", shown.merging(["id": .string(id)])).eventNames == [],
          "\(type.name): what is shown, sent back, changes nothing")
        #expect(
          try await book.call("\(type.name).edit", values.merging(["id": .string(id)])).eventNames == [],
          "\(type.name): the same secrets change nothing")
      }
    }
    #expect(seen >= 25)
    #expect(try !book.everything().contains("m4rk3r"))
  }

  @Test func `masks keep secrets in nodes and steps that move or change`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    func node(_ id: String, _ secret: JSON, x: Int64 = 0) -> JSON {
      ["id": .string(id), "x": .integer(x), "data": ["config": ["password": secret]]]
    }
    func step(_ name: String, _ order: Int64, _ secret: JSON) -> JSON {
      ["name": .string(name), "order_index": .integer(order), "step_type": "load", "config": ["token": secret]]
    }
    let id = try await book.make(
      "pipeline",
      [
        "name": "p", "organization_id": .string(acme), "nodes": [node("a", "A"), node("b", "B")],
        "config": ["nodes": [node("c", "C")], "url": "postgres://ann:U@h/x"],
        "steps": [step("one", 0, "S1"), step("two", 1, "S2")],
      ])
    // Moved, one of them changed besides, and a new one in front.
    try await book.call(
      "pipeline.edit",
      [
        "id": .string(id), "nodes": [node("new", "N"), node("b", Self.mask, x: 7), node("a", Self.mask)],
        "steps": [step("two", 0, Self.mask), step("one", 1, Self.mask)],
      ])
    let data = try await revealed(id, book)
    #expect(data["nodes"] == [node("new", "N"), node("b", "B", x: 7), node("a", "A")])
    #expect(data["steps"]?.arrayValue?.map { $0["config"]?["token"] } == ["S2", "S1"])
    #expect(data["config"]?["url"] == "postgres://ann:U@h/x")
    let shown = try book.item(id)
    #expect(shown["nodes"] == [node("new", Self.mask), node("b", Self.mask, x: 7), node("a", Self.mask)])
    #expect(shown["config"] == ["nodes": [node("c", Self.mask)], "url": Self.mask])
    #expect(shown["version_number"] == 2)
    // As it is shown, it changes nothing.
    let back = shown.filter { ["nodes", "steps", "config"].contains($0.key) }
    #expect(try await book.call("pipeline.edit", back.merging(["id": .string(id)])).eventNames == [])
    // A new plain value is a change, the same one is none.
    try await book.call(
      "pipeline.edit", ["id": .string(id), "config": ["nodes": [node("c", "C2")], "url": Self.mask]])
    #expect(try book.item(id)["version_number"] == 3)
    #expect(
      try await book.call(
        "pipeline.edit", ["id": .string(id), "config": ["nodes": [node("c", "C2")], "url": "postgres://ann:U@h/x"]]
      ).eventNames == [])
    #expect(try await revealed(id, book)["config"]?["nodes"] == [node("c", "C2")])
  }

  @Test func `a mask shows nobody a secret in another place`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    func env(_ name: String, _ value: JSON) -> JSON { ["id": 1, "name": .string(name), "value": value] }
    let id = try await book.make(
      "pipeline",
      [
        "name": "p", "organization_id": .string(acme),
        "config": [
          "password": "hunter-1", "env": [env("DB_PASSWORD", "hunter-2")], "list": [["password": "hunter-3", "n": 1]],
        ],
        "nodes": [["id": "a", "password": "hunter-4"]],
      ])
    let refused: [(JSONObject, String)] = [
      (["config": ["note": Self.mask]], "/config/note"), (["config": ["password": [Self.mask]]], "/config/password/0"),
      (["config": ["list": [["note": Self.mask, "n": 1]]]], "/config/list/0/note"),
      (["config": ["list": [["password": Self.mask, "n": 2]]]], "/config/list/0/password"),
      (["nodes": [["id": "b", "password": Self.mask]]], "/nodes/0/password"),
      (["nodes": [["id": "a", "title": Self.mask]]], "/nodes/0/title"),
      (["edges": [["password": Self.mask]]], "/edges/0/password"),
      (["metadata": ["password": Self.mask]], "/metadata/password"),
    ]
    for (values, path) in refused {
      let refusal = try await book.refusal("pipeline.edit", values.merging(["id": .string(id)]))
      #expect(refusal.paths == [path])
      let told = "\(refusal)\(JSON.object(refusal.data).canonicalString)"
      #expect(!(1...4).contains { told.contains("hunter-\($0)") })
    }
    // What made a secret of it is gone: it stays one.
    try await book.call(
      "pipeline.edit",
      ["id": .string(id), "config": ["password": Self.mask, "env": [env("NOTE", Self.mask)], "list": []]])
    #expect(
      try book.item(id)["config"] == ["password": Self.mask, "env": [env("NOTE", Self.mask)], "list": []])
    #expect(try !book.everything().contains("hunter-2"))
    #expect(
      try await revealed(id, book)["config"] == ["password": "hunter-1", "env": [env("NOTE", "hunter-2")], "list": []])
    for (method, values) in [
      ("pipeline.create", ["name": "q", "config": ["password": Self.mask]]),
      ("run.create", ["code": "1", "params": ["password": Self.mask]]),
      ("pipeline_template.create", ["name": "t", "category": "etl", "template_config": ["password": Self.mask]]),
    ] as [(String, JSONObject)] {
      let refusal = try await book.refusal(method, values.merging(["organization_id": .string(acme)]))
      #expect(refusal.paths.first?.hasSuffix("/password") == true, "\(method)")
    }
  }

  @Test func `a rollback brings an earlier secret back, and versions tell them apart`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let id = try await book.make(
      "pipeline", ["name": "p", "organization_id": .string(acme), "config": ["password": "one", "host": "h"]])
    try await book.call("pipeline.edit", ["id": .string(id), "config": ["password": "two", "host": "h"]])
    let (first, second) = (try #require(try book.records(of: id).first), try book.state(id))
    let differences = try book.view.differences(
      type: "pipeline", resource: second.id, from: first.body.set, to: second.fields)
    #expect(
      differences.contains(JSONDifference(pointer: "/config/password", from: "********", to: "********")))
    try await book.call("pipeline.rollback", ["id": .string(id), "to_version": 1])
    #expect(try await revealed(id, book)["config"] == ["password": "one", "host": "h"])
    #expect(try book.item(id)["version_number"] == 3)
    #expect(try await book.call("pipeline.rollback", ["id": .string(id), "to_version": 1]).eventNames == [])
    let transformation = try await book.make(
      "transformation",
      [
        "name": "t", "transformation_type": "x", "organization_id": .string(acme), "config": ["api_key": "k1"],
      ])
    try await book.call("transformation.edit", ["id": .string(transformation), "config": ["api_key": "k2"]])
    try await book.call("transformation.rollback", ["id": .string(transformation), "to_version": 1])
    let state = try book.state(transformation)
    let token = try #require(state.fields["config"]?["api_key"])
    #expect(try book.vault.open(token, resourceID: state.id, field: "config/api_key") == .value("k1"))
  }

  @Test func `a template's secrets become the pipeline's, and not another organization's`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let other = try await book.organization("other")
    let template = try await book.make(
      "pipeline_template",
      [
        "name": "t", "category": "etl", "is_public": true, "organization_id": .string(acme),
        "template_config": ["password": "tpl-1", "nodes": [["id": "a", "token": "tpl-2"]], "source_config": ["a": 1]],
      ])
    let id = try await book.make(
      by: "pipeline.from_template",
      ["template_id": .string(template), "name": "p", "organization_id": .string(acme)])
    let data = try await revealed(id, book)
    #expect(data["config"] == ["password": "tpl-1"])
    #expect(data["nodes"] == [["id": "a", "token": "tpl-2"]])
    let foreign: JSONObject = [
      "template_id": .string(template), "name": "p", "organization_id": .string(other), "config": ["a": 1],
    ]
    let refusal = try await book.refusal("pipeline.from_template", foreign)
    #expect(refusal.paths == ["/template_id"] && refusal.message.contains("nodes/0/token"))
    let made = try await book.make(by: "pipeline.from_template", foreign.merging(["nodes": []]))
    #expect(try book.item(made)["source_config"] == ["a": 1])
    #expect(try !book.everything().contains("tpl-1"))
  }

  @Test func `reports keep secrets sealed, and take nothing for a mask`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    func report(_ minute: Int, _ facets: JSONObject) -> JSONObject {
      [
        "organization_id": .string(acme),
        "event": [
          "eventTime": .string("2026-11-20T10:0\(minute):00Z"), "eventType": "RUNNING", "producer": "https://p.example",
          "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
          "run": ["runId": "01a22000-0000-7000-8000-0000000000aa"],
          "job": ["namespace": "postgres://ann:m4rk1@h:5432", "name": "j", "facets": .object(facets)],
          "inputs": [
            [
              "namespace": "postgres://ann:m4rk2@h:5432", "name": "x.y",
              "facets": [
                "dataSource": [
                  "_producer": "https://p.example", "_schemaURL": "https://openlineage.io/spec/facets/1-0-1/D.json",
                  "name": "h", "uri": "postgres://ann:m4rk3@h:5432/x?password=m4rk4&a=b",
                ]
              ],
            ]
          ],
        ],
      ]
    }
    try await book.call("openlineage.record", report(1, [:]))
    try await book.call(
      "openlineage.record",
      report(
        2,
        [
          "sql": [
            "_producer": "https://p.example", "_schemaURL": "https://openlineage.io/spec/facets/1-0-1/S.json",
            "query": "COPY x FROM 's3://k:m4rk5@b/x'",
          ]
        ]))
    try await book.call("openlineage.record", report(3, [:]))
    #expect(try !book.everything().contains("m4rk"))
    let datasets = try book.log.read { snapshot in
      try snapshot.records(from: 1, limit: .max, maximumBytes: .max).filter {
        try $0.parsedHeader().event == "dataset.created"
      }
      .map { try $0.parsedBody().set }
    }
    #expect(datasets.count == 1 && datasets[0]["namespace"] == "postgres://h:5432")
    #expect(datasets[0]["data_source"]?["uri"] == "postgres://h:5432/x?a=b")
    let refusal = try await book.refusal(
      "dataset.create",
      ["organization_id": .string(acme), "namespace": "postgres://ann:m4rk6@h:5432", "name": "z"])
    #expect(refusal.paths == ["/namespace"])
    #expect(!"\(refusal)\(JSON.object(refusal.data).canonicalString)".contains("m4rk6"))
    let link = try await book.refusal(
      "file.create",
      [
        "organization_id": .string(acme), "filename": "f", "file_size": 1,
        "s3_url": "https://s3.example/f?X-Amz-Signature=m4rk7",
      ])
    #expect(link.paths == ["/s3_url"])
  }

  @Test func `only who may execute is shown configurations, with a reason, and it is recorded`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let owner = try await book.member("ann", of: acme, role: "owner")
    let reader = try await book.member("bob", of: acme, platformRole: "viewer")
    let connection = try await book.make(
      "connection", ["name": "c", "type": "postgres", "config": ["host": "h", "password": "conn-1"]],
      as: owner.principal)
    #expect(try await revealed(connection, book, "connection") == ["config": ["host": "h", "password": "conn-1"]])
    let run = try await book.make("run", ["code": "1", "params": ["token": "run-1"]], as: owner.principal)
    #expect(try await revealed(run, book, "run")["params"] == ["token": "run-1"])
    let asked: JSONObject = ["id": .string(connection), "reason": "to connect"]
    #expect(try await book.refusal("connection.reveal", ["id": .string(connection)]).paths == ["/reason"])
    #expect(try await book.refusal("connection.reveal", asked, as: reader.principal).code == .forbidden)
    let writer = try await book.key(["*": ["read", "write"]], in: acme, as: owner.principal)
    #expect(try await book.refusal("connection.reveal", asked, as: writer.principal).code == .forbidden)
    let engine = try await book.key(["connections": ["read", "execute"]], in: acme, as: owner.principal)
    let answer = try await book.call("connection.reveal", asked, as: engine.principal)
    #expect(answer["data"]?["config"]?["password"] == "conn-1")
    let again = asked.merging(["command_id": "once"])
    _ = try await book.call("connection.reveal", again, as: engine.principal)
    let replayed = try await book.call("connection.reveal", again, as: engine.principal)
    #expect(replayed["data"] == ["shown_once": true])
    #expect(try await book.call("connection.reveal", asked.merging(["dry_run": true]))["data"] == nil)
    #expect(try !book.everything().contains("conn-1"))
  }

  @Test func `what an older log holds in the clear is masked, and sealed with the next change`() async throws {
    let book = try TestDomain()
    let acme = try #require(Identifier(try await book.organization("acme")))
    let id = Identifier.version7(at: .now)
    var draft = EventDraft(
      event: "pipeline.created", type: "pipeline", resource: id, actor: "server", schema: book.catalog.revision,
      at: .now)
    draft.organization = acme
    draft.set = [
      "organization_id": .string(acme.text), "name": "old", "kind": "flow", "status": "draft", "version_number": 1,
      "number": 1, "created_by": .string(Identifier.systemUser.text), "is_scheduled": false,
      "config": ["password": "old-1", "host": "h", "env": [["name": "DB_PASSWORD", "value": "old-2"]]],
      "nodes": [["id": "a", "token": "old-3"], ["id": "b", "url": "postgres://a:old-4@h"]],
    ]
    try await book.append([draft])
    let shown = try book.item(id.text)
    #expect(
      shown["config"]
        == ["password": Self.mask, "host": "h", "env": [["name": "DB_PASSWORD", "value": Self.mask]]])
    #expect(shown["nodes"] == [["id": "a", "token": Self.mask], ["id": "b", "url": Self.mask]])
    let back = shown.filter { ["config", "nodes"].contains($0.key) }
    #expect(try await book.call("pipeline.edit", back.merging(["id": .string(id.text)])).eventNames == [])
    // Under another name it is a secret all the same.
    try await book.call(
      "pipeline.edit",
      [
        "id": .string(id.text),
        "config": ["password": Self.mask, "host": "other", "env": [["name": "DB_PASSWORD", "value": Self.mask]]],
        "nodes": [["id": "b", "url": Self.mask], ["id": "a", "token": Self.mask, "x": 1]],
      ])
    let record = try #require(try book.records(of: id.text).last)
    #expect(!JSON.object(record.body.set).canonicalString.contains("old-"))
    let data = try await revealed(id.text, book)
    #expect(
      data["config"]
        == ["password": "old-1", "host": "other", "env": [["name": "DB_PASSWORD", "value": "old-2"]]])
    #expect(data["nodes"] == [["id": "b", "url": "postgres://a:old-4@h"], ["id": "a", "token": "old-3", "x": 1]])
    try await book.call("pipeline.rollback", ["id": .string(id.text), "to_version": 1])
    #expect(!JSON.object(try book.state(id.text).fields).canonicalString.contains("old-"))
    #expect(try await revealed(id.text, book)["config"]?["host"] == "h")
  }

  @Test func `an older log's secret stays one where its name goes`() async throws {
    let book = try TestDomain()
    let acme = try #require(Identifier(try await book.organization("acme")))
    let id = Identifier.version7(at: .now)
    var draft = EventDraft(
      event: "pipeline.created", type: "pipeline", resource: id, actor: "server", schema: book.catalog.revision,
      at: .now)
    draft.organization = acme
    draft.set = [
      "organization_id": .string(acme.text), "name": "old", "kind": "flow", "status": "draft", "version_number": 1,
      "number": 1, "created_by": .string(Identifier.systemUser.text),
      "nodes": [["id": "a", "name": "DB_PASSWORD", "value": "old-1"]],
    ]
    try await book.append([draft])
    try await book.call(
      "pipeline.edit", ["id": .string(id.text), "nodes": [["id": "a", "name": "NOTE", "value": Self.mask]]])
    #expect(try book.item(id.text)["nodes"] == [["id": "a", "name": "NOTE", "value": Self.mask]])
  }

  @Test func `a schema that somebody writes learns nothing of a secret that is kept`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    func schema(_ rule: JSON) -> JSON {
      ["type": "object", "properties": ["password": rule, "rows": ["type": "integer"]]]
    }
    func template(_ rule: JSON) async throws -> JSON {
      .string(
        try await book.make(
          "module_template",
          [
            "name": "m", "category": "loader", "type": "x", "organization_id": .string(acme),
            "config_schema": schema(rule),
          ]))
    }
    func config(_ template: JSON, _ password: JSON, rows: JSON = 1) -> JSON {
      ["nodes": [["id": "a", "template_id": template, "config": ["password": password, "rows": rows]]]]
    }
    let long = try await template(["type": "string", "minLength": 20])
    let open = try await template(["type": ["string", "integer"]])
    let given = try await book.refusal(
      "pipeline.create", ["name": "p", "organization_id": .string(acme), "config": config(long, "short")])
    #expect(given.paths == ["/config/nodes/0/config/password"])
    let id = try await book.make(
      "pipeline", ["name": "p", "organization_id": .string(acme), "config": config(open, 4711)])
    for rule in [
      ["const": 4711], ["const": 1], ["type": "integer", "maximum": 5000], ["type": "integer", "maximum": 9],
    ]
      as [JSON]
    {
      let probe = try await template(rule)
      #expect(
        try await book.call("pipeline.edit", ["id": .string(id), "config": config(probe, Self.mask)]).eventNames
          == ["pipeline.edited"])
    }
    let wrong = try await book.refusal(
      "pipeline.edit", ["id": .string(id), "config": config(open, Self.mask, rows: "x")])
    #expect(wrong.paths == ["/config/nodes/0/config/rows"])
    #expect(try await revealed(id, book)["config"]?["nodes"]?.arrayValue?.first?["config"]?["password"] == 4711)
  }

  @Test func `a command id's kept request says nothing of a configuration's secrets`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    func create(_ password: String) -> JSONObject {
      [
        "name": "p", "organization_id": .string(acme), "command_id": "once",
        "steps": [["name": "s", "order_index": 0, "step_type": "load", "config": ["password": .string(password)]]],
        "config": ["password": .string(password)],
      ]
    }
    try await book.call("pipeline.create", create("one"))
    #expect(try await book.call("pipeline.create", create("two"))["replayed"] == true)
  }
}
