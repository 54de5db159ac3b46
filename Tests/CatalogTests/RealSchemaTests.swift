import CanonicalJSON
import Catalog
import Foundation
import TestBasics
import Testing

/// The repository's own `schema/`.
enum RealSchema {
  static let folder = Repository.schema

  static func load() throws -> Catalog { try Catalog.load(folder: folder) }
}

@Suite struct RealSchemaTests {
  @Test func `every file of schema loads without a mistake`() throws {
    do {
      let catalog = try RealSchema.load()
      #expect(catalog.types.count >= 17)
      #expect(catalog.revision.utf8.count == 64)
      #expect(catalog.types.map(\.name) == catalog.types.map(\.name).sorted())
    } catch let error as CatalogError {
      Issue.record("\(error)")
    }
  }

  @Test func `short commands get the effects and events that their names imply`() throws {
    let catalog = try RealSchema.load()
    let create = try #require(catalog.command("dataset.create")).command
    #expect(create.effect == .create && create.event == "created" && create.permission == .write)
    #expect(!create.needsIdentifier)
    let publish = try #require(catalog.command("pipeline.publish")).command
    #expect(publish.effect == .transition && publish.to == "active" && publish.sets["published_at"] == "$now")
    let revoke = try #require(catalog.command("api_key.revoke")).command
    #expect(revoke.effect == .transition && revoke.to == nil && revoke.sets == ["is_active": false])
    let reveal = try #require(catalog.command("credential.reveal")).command
    #expect(reveal.effect == .behaviour && reveal.requiresReason && reveal.needsIdentifier)
    let raise = try #require(catalog.command("alert.raise")).command
    #expect(raise.effect == .create && raise.event == "raised" && !raise.needsIdentifier)
    let used = try #require(catalog.command("api_key.mark_used")).command
    #expect(used.isInternal)
    let skip = try #require(catalog.command("projection.skip")).command
    #expect(skip.isAdministrative && !skip.needsIdentifier && skip.effect == .behaviour)
  }

  @Test func `merge keys complete each personal record`() throws {
    let catalog = try RealSchema.load()
    let user = try #require(catalog.type("user"))
    let email = try #require(user.field("email")?.personal)
    #expect(email.subject == .resource && email.legalBasis == "Contract")
    let record = try #require(catalog.processingRecord.arrayValue)
    #expect(
      record.count
        == catalog.types.flatMap(\.fields).filter { $0.personal != nil }.count + catalog.types.flatMap(\.mentions).count
    )
    // What may name people though no person's key seals it.
    let mentioned = Set(record.map { "\($0["resource_type"]?.stringValue ?? "").\($0["field"]?.stringValue ?? "")" })
    #expect(
      mentioned.isSuperset(of: [
        "*.reason", "*.origin", "legal_hold.name", "legal_hold.matter", "sql_role.name", "run.reported.facets",
        "pipeline.reported.facets", "dataset.reported.facets", "dataset.owners", "pipeline.metadata",
      ]))
    for entry in record {
      for key in ["purpose", "legal_basis", "category", "retention", "recipients", "subject", "field"] {
        #expect(entry[key]?.stringValue?.isEmpty == false)
      }
    }
  }

  @Test func `types of an organization refer to it and go with it`() throws {
    let catalog = try RealSchema.load()
    let field = try #require(catalog.type("pipeline")?.organizationField)
    #expect(field.isRequired && field.isImmutable)
    #expect(field.reference == Reference(types: ["organization"], onDelete: .cascade))
    #expect(catalog.type("user")?.organizationField == nil)
    #expect(catalog.type("openlineage")?.organizationField?.isRequired == false)
    #expect(catalog.type("run")?.referenceFields.last?.name == "organization_id")
  }

  @Test func `fields of a unique constraint fit one index entry together`() throws {
    let catalog = try RealSchema.load()
    for type in catalog.types {
      for constraint in type.unique {
        let bytes = constraint.fields.compactMap { type.field($0)?.maximumBytes }.reduce(0, +)
        #expect(bytes <= 2400, "\(constraint.name)")
      }
    }
    #expect(catalog.type("dataset")?.field("name")?.maximumBytes == 1200)
    #expect(catalog.type("user")?.field("email")?.maximumBytes == 2000)
  }

  @Test func `schemas of params name every parameter and refuse others`() throws {
    let catalog = try RealSchema.load()
    for type in catalog.types {
      for command in type.commands {
        let schema = type.parametersSchema(of: command)
        #expect(schema["additionalProperties"] == false)
        let properties = try #require(schema["properties"]?.objectValue)
        for parameter in type.parameters(of: command) { #expect(properties.contains(parameter.name)) }
        for name in schema["required"]?.arrayValue ?? [] {
          #expect(properties.contains(try #require(name.stringValue)))
        }
      }
    }
    let pipeline = try #require(catalog.type("pipeline"))
    let create = pipeline.parametersSchema(of: try #require(pipeline.command("create")))
    #expect(create["properties"]?["status"]?["enum"] == ["draft", "active"])
    #expect(create["required"] == ["name"])
    let edit = pipeline.parametersSchema(of: try #require(pipeline.command("edit")))
    #expect(edit["required"] == ["id"])
    #expect(edit["properties"]?["status"] == nil)
    #expect(edit["properties"]?["name"]?["type"] == "string")
    #expect(edit["properties"]?["description"]?["type"] == ["string", "null"])
    let start = try #require(catalog.command("run.start"))
    #expect(start.type.parametersSchema(of: start.command)["properties"]?["organization_id"] != nil)
  }

  @Test func `no schema of an item shows a hash or a whole secret`() throws {
    let catalog = try RealSchema.load()
    let user = try #require(catalog.type("user")).itemSchema
    #expect(user["properties"]?["password_hash"] == nil)
    let email = user["properties"]?["email"]?["anyOf"]?.arrayValue
    #expect(email?.first?["type"] == ["string", "null"], "or a mark, where it was erased")
    #expect(email?.dropFirst().first?["required"] == ["erased"])
    let credential = try #require(catalog.type("credential")).itemSchema
    #expect(credential["properties"]?["data"] == nil)
    #expect(
      try #require(catalog.type("connection")).itemSchema["properties"]?["config"]?["type"] == ["object", "null"])
  }

  @Test func `the permission matrix has every command of the socket and no other`() throws {
    let catalog = try RealSchema.load()
    let matrix = catalog.permissionMatrix
    #expect(matrix["pipelines"]?["commands"]?["pipeline.delete"]?["permission"] == "admin")
    #expect(matrix["organizations"]?["commands"]?["organization.create"]?["administrative"] == true)
    #expect(matrix["api_keys"]?["commands"]?["api_key.mark_used"] == nil)
    let listed = matrix.objectValue?.values.compactMap { $0["commands"]?.objectValue?.count }.reduce(0, +)
    #expect(listed == catalog.types.flatMap(\.commands).filter { !$0.isInternal }.count)
  }

  @Test func `a behaviour that the program lacks is a mistake`() throws {
    let all = Set(try RealSchema.load().types.flatMap(\.commands).compactMap(\.behaviour))
    #expect(throws: Never.self) { try Catalog.load(folder: RealSchema.folder, knownBehaviours: all) }
    do {
      _ = try Catalog.load(folder: RealSchema.folder, knownBehaviours: all.subtracting(["alert.escalate"]))
      Issue.record("loaded")
    } catch {
      #expect(error.problems.count == 1)
      #expect(error.description.contains("schema/alert.yaml:"))
      #expect(error.description.contains("command 'escalate': unknown behaviour 'alert.escalate'"))
    }
  }
}
