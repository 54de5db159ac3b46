import Catalog
import TestBasics
import Testing

/// A platform's file that is written wrong is refused with the line.
@Suite struct PlatformMistakeTests {
  private static let sound = """
    platform: etlab
    title: ETLab
    tables:
      users:
        summary: A user.
        resource: user
        columns:
          id: {type: uuid, not_null: true, from: id}
          name: {type: text, max: 100, from: display_name}
    """

  private func problems(_ text: String) throws -> [String] {
    let catalog = try Catalog.load(folder: Repository.schema)
    do {
      _ = try catalog.readPlatform(text, named: "etlab.yaml", label: "schema")
      return []
    } catch {
      return error.problems.map(\.description)
    }
  }

  @Test func `a sound file has no mistake`() throws {
    #expect(try problems(Self.sound) == [])
  }

  @Test(arguments: ["1e300", "-1", "0.5", "0", "10485761"])
  func `a length that no column has is a mistake`(_ length: String) throws {
    let found = try problems(Self.sound.replacing("max: 100", with: "max: \(length)"))
    #expect(
      found == [
        "schema/platforms/etlab.yaml:9: 'max' of column 'name' of table 'users' must be a whole number from 1 to 10485760"
      ])
  }

  private static let retention = """

    retention:
      runs: {table: users, column: name, age: recorded, keep_hours: 24}
    """

  @Test(arguments: [
    ("runs:", "rums:", "retention of 'rums': retention_policy.class has no such word; it has"),
    ("table: users", "table: usres", "retention of 'runs': there is no table 'usres'"),
    ("column: name", "column: nom", "retention of 'runs': 'users' has no column 'nom'"),
    ("age: recorded", "age: old", "'age' of retention of 'runs' must be one of recorded, line, expiry"),
    ("keep_hours: 24", "keep_hours: 0", "'keep_hours' of retention of 'runs' must be a whole number, at least 1"),
    (", keep_hours: 24", "", "missing key 'keep_hours' in retention of 'runs'"),
    ("keep_hours: 24", "keep_hours: 24, only: {nothing: [x]}", "retention of 'runs': user has no field 'nothing'"),
    ("keep_hours: 24", "keep_hours: 24, only: {role: [x]}", "retention of 'runs': 'x' is no value of role"),
  ])
  func `what retention doesn't say right is a mistake`(_ right: String, _ wrong: String, _ problem: String) throws {
    let text = Self.sound + "\n" + Self.retention
    #expect(try problems(text) == [])
    let found = try problems(text.replacing(right, with: wrong))
    #expect(found.contains { $0.hasPrefix("schema/platforms/etlab.yaml:12: \(problem)") }, "\(found)")
  }
}
