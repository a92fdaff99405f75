//! The log files of one task, kept in memory and bounded.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;
use tokio::sync::watch;

/// No file grows beyond this, whatever `MaxFileSizeMB` says: a simulator keeps its logs in memory.
const FILE_LIMIT: usize = 1024 * 1024;

/// No more files than this are kept, whatever `MaxFiles` says.
const FILES_LIMIT: usize = 10;

/// Which of a task's two outputs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogType {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl LogType {
    /// As it stands in the names of files and in `?type=`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// The logs of one task, shared by the task that writes them and everybody who reads. A restarted task appends.
#[derive(Clone, Debug)]
pub struct LogStore(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    outputs: Mutex<Outputs>,
    changes: watch::Sender<()>,
    files: usize,
    file_bytes: usize,
}

#[derive(Debug, Default)]
struct Outputs {
    opened: bool,
    stdout: VecDeque<File>,
    stderr: VecDeque<File>,
}

#[derive(Debug, Default)]
struct File {
    index: u64,
    data: Vec<u8>,
}

/// A place in a task's output: a byte of one of its files.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Position {
    /// The number at the end of the file's name.
    pub file: u64,
    /// Bytes from the start of that file.
    pub offset: usize,
}

/// Bytes of one file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Piece {
    /// Where they begin.
    pub start: Position,
    /// The bytes; none where a new file begins and holds none yet.
    pub data: Vec<u8>,
}

impl Default for LogStore {
    fn default() -> Self {
        Self::new(FILES_LIMIT, FILE_LIMIT)
    }
}

impl LogStore {
    /// A store of at most `files` files of `file_bytes` bytes each, for each output.
    pub fn new(files: usize, file_bytes: usize) -> Self {
        Self(Arc::new(Shared {
            outputs: Mutex::default(),
            changes: watch::Sender::new(()),
            files: files.clamp(1, FILES_LIMIT),
            file_bytes: file_bytes.clamp(1, FILE_LIMIT),
        }))
    }

    /// A store as a task's `LogConfig` asks for, within the limits of a simulator.
    pub fn configured(log_config: &Value) -> Self {
        let number = |name: &str| {
            log_config[name]
                .as_u64()
                .and_then(|number| usize::try_from(number).ok())
        };
        Self::new(
            number("MaxFiles").unwrap_or(FILES_LIMIT),
            number("MaxFileSizeMB").map_or(FILE_LIMIT, |size| size.saturating_mul(FILE_LIMIT)),
        )
    }

    /// Makes the files, as a task that starts does. Before that there is nothing to read, not even an empty log.
    pub fn open(&self) {
        self.outputs().opened = true;
        self.0.changes.send_replace(());
    }

    /// Whether the task has ever started.
    pub fn is_open(&self) -> bool {
        self.outputs().opened
    }

    /// Appends to one output; the oldest file goes when there are too many.
    pub fn write(&self, output: LogType, mut bytes: &[u8]) {
        let mut outputs = self.outputs();
        outputs.opened = true;
        let files = outputs.of(output);
        while !bytes.is_empty() {
            if files
                .back()
                .is_none_or(|file| file.data.len() >= self.0.file_bytes)
            {
                let index = files.back().map_or(0, |file| file.index + 1);
                files.push_back(File {
                    index,
                    data: Vec::new(),
                });
                if files.len() > self.0.files {
                    files.pop_front();
                }
            }
            if let Some(file) = files.back_mut() {
                let room = self.0.file_bytes - file.data.len();
                let (fitting, rest) = bytes.split_at(room.min(bytes.len()));
                file.data.extend_from_slice(fitting);
                bytes = rest;
            }
        }
        drop(outputs);
        self.0.changes.send_replace(());
    }

    /// Everything one output still holds.
    pub fn read(&self, output: LogType) -> Vec<u8> {
        let mut outputs = self.outputs();
        let files = outputs.of(output);
        files
            .iter()
            .flat_map(|file| file.data.iter().copied())
            .collect()
    }

    /// How many bytes one output still holds.
    pub(crate) fn len(&self, output: LogType) -> usize {
        let mut outputs = self.outputs();
        outputs.of(output).iter().map(|file| file.data.len()).sum()
    }

    /// The place `skip` bytes after the oldest byte that is still kept, at most the end.
    pub(crate) fn position(&self, output: LogType, mut skip: usize) -> Position {
        let mut outputs = self.outputs();
        let files = outputs.of(output);
        for file in files.iter() {
            if skip <= file.data.len() {
                return Position {
                    file: file.index,
                    offset: skip,
                };
            }
            skip -= file.data.len();
        }
        files
            .back()
            .map_or_else(Position::default, |file| Position {
                file: file.index,
                offset: file.data.len(),
            })
    }

    /// What stands after `position`, to the end of that file or the beginning of the next; at most `limit` bytes.
    /// Nothing where there is no more yet.
    pub(crate) fn after(&self, output: LogType, position: Position, limit: usize) -> Option<Piece> {
        let mut outputs = self.outputs();
        let files = outputs.of(output);
        let here = files.iter().find(|file| file.index == position.file);
        if let Some(rest) = here.and_then(|file| file.data.get(position.offset..))
            && !rest.is_empty()
        {
            return Some(Piece {
                start: position,
                data: rest[..rest.len().min(limit)].to_vec(),
            });
        }
        let next = files.iter().find(|file| file.index > position.file)?;
        Some(Piece {
            start: Position {
                file: next.index,
                offset: 0,
            },
            data: Vec::new(),
        })
    }

    /// Completes its `changed()` whenever something is written.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.0.changes.subscribe()
    }

    fn outputs(&self) -> MutexGuard<'_, Outputs> {
        // Whoever panicked while writing left whole bytes behind.
        self.0
            .outputs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outputs {
    fn of(&mut self, output: LogType) -> &mut VecDeque<File> {
        match output {
            LogType::Stdout => &mut self.stdout,
            LogType::Stderr => &mut self.stderr,
        }
    }
}
