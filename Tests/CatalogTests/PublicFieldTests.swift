import Catalog
import Testing

/// The key `public`, and commands that make the same in several ways.
@Suite struct PublicFieldTests {
  private func load(_ text: String) throws(CatalogError) -> ResourceType? {
    try Catalog.load(files: CatalogMistakeTests.others + [("thing.yaml", text)], label: "schema").type("thing")
  }

  private func problems(_ text: String) -> [String] {
    do {
      _ = try load(text)
      return []
    } catch {
      return error.problems.map(\.description)
    }
  }

  private func file(organization: String = "optional", public flags: String, commands: String = "create: {}") -> String
  {
    """
    resource: thing
    plural: things
    summary: A thing.
    organization: \(organization)
    fields:
      name: {type: text}
      is_public: {type: boolean}
      is_builtin: {type: boolean}
    public: \(flags)
    commands:
      \(commands)
    """
  }

  @Test func `the fields that make a resource public are booleans of the type`() throws {
    #expect(try load(file(public: "[is_public, is_builtin]"))?.publicFields == ["is_public", "is_builtin"])
    #expect(try load(file(public: "[]"))?.publicFields == [])
    #expect(
      problems(file(public: "[name]")) == ["schema/thing.yaml:9: 'public': 'name' is not a boolean that anyone may see"]
    )
    #expect(
      problems(file(public: "[is_pubic]")) == [
        "schema/thing.yaml:9: 'public': unknown field 'is_pubic' (did you mean 'is_public'?)"
      ])
    #expect(
      problems(file(organization: "none", public: "[is_public]")) == [
        "schema/thing.yaml:9: 'public' is for resources that belong to an organization"
      ])
  }

  @Test func `only commands that make may record the same`() throws {
    let twoWays = "{create: {}, make: {event: created, effect: create}}"
    let whole = file(public: "[]").replacing("commands:\n  create: {}", with: "commands: \(twoWays)")
    #expect(try load(whole)?.commands.map(\.event) == ["created", "created"])
    let mixed = whole.replacing("make: {event: created, effect: create}", with: "edit: {event: created}")
    #expect(
      problems(mixed) == ["schema/thing.yaml:10: commands 'create' and 'edit' record the same event 'created'"])
  }
}
