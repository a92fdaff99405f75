//! The Merkle tree of RFC 6962 over leaves that are only ever added. Complete subtrees have hashes that never change; they
//! are kept by position, in the order in which they come to exist (Crosby and Wallach, "Efficient Data Structures for
//! Tamper-Evident Logging", section 3.3, as Go's checksum database has it). What is asked of a tree needs a logarithmic
//! number of them, and names those first, so that whoever stores them reads them at once.

use std::{cell::RefCell, collections::BTreeMap};

use tlog_tiles::{
    Error, Hash, HashReader, prove_record, prove_tree, stored_hash_index,
    stored_hashes_for_record_hash, sub_tree_index, tree_hash,
};

/// A position that no tree has was asked for, or one whose hash is not there.
#[derive(Debug, thiserror::Error)]
#[error("the tree can't answer: {0}")]
pub struct TreeError(#[from] Error);

/// Hashes of complete subtrees, by position.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hashes(pub BTreeMap<u64, Hash>);

impl HashReader for Hashes {
    fn read_hashes(&self, positions: &[u64]) -> Result<Vec<Hash>, Error> {
        let found = positions
            .iter()
            .map(|position| self.0.get(position).copied());
        found.collect::<Option<_>>().ok_or(Error::IndexesNotInTree)
    }
}

/// The position of a leaf.
pub fn leaf_position(index: u64) -> u64 {
    stored_hash_index(0, index)
}

/// Answers anything, and remembers what it was asked for.
#[derive(Default)]
struct Recorder(RefCell<Vec<u64>>);

impl HashReader for Recorder {
    fn read_hashes(&self, positions: &[u64]) -> Result<Vec<Hash>, Error> {
        self.0.borrow_mut().extend(positions);
        Ok(vec![Hash::default(); positions.len()])
    }
}

/// What a proof takes, and the proof.
pub trait Proof {
    /// The hashes it proves with.
    ///
    /// # Errors
    /// Where there is nothing of the kind to prove, or a hash is missing.
    fn prove(&self, hashes: &impl HashReader) -> Result<Vec<Hash>, TreeError>;

    /// The positions of the hashes that [`prove`](Self::prove) reads.
    ///
    /// # Errors
    /// Where there is nothing of the kind to prove.
    fn positions(&self) -> Result<Vec<u64>, TreeError> {
        let recorder = Recorder::default();
        self.prove(&recorder)?;
        Ok(recorder.0.into_inner())
    }
}

/// That the tree of `tree_size` leaves has a leaf at `leaf_index` (RFC 6962, section 2.1.1).
#[derive(Clone, Copy, Debug)]
pub struct Inclusion {
    /// Where.
    pub leaf_index: u64,
    /// In which tree.
    pub tree_size: u64,
}

/// That the tree of `to` leaves begins with all of the tree of `from` leaves (RFC 6962, section 2.1.2).
#[derive(Clone, Copy, Debug)]
pub struct Consistency {
    /// The earlier tree; at least one leaf.
    pub from: u64,
    /// The later tree.
    pub to: u64,
}

impl Proof for Inclusion {
    fn prove(&self, hashes: &impl HashReader) -> Result<Vec<Hash>, TreeError> {
        Ok(prove_record(self.tree_size, self.leaf_index, hashes)?)
    }
}

impl Proof for Consistency {
    fn prove(&self, hashes: &impl HashReader) -> Result<Vec<Hash>, TreeError> {
        Ok(prove_tree(self.to, self.from, hashes)?)
    }
}

/// A tree that grows. It holds what growing takes, and no more: a logarithmic number of hashes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tree {
    size: u64,
    edge: Hashes,
    last: Option<Hash>,
}

impl Tree {
    /// The positions of the hashes that a tree of `size` leaves needs to go on growing.
    pub fn positions(size: u64) -> Vec<u64> {
        let mut positions = sub_tree_index(0, size, Vec::new());
        if let Some(last) = size.checked_sub(1) {
            let last = leaf_position(last);
            if !positions.contains(&last) {
                positions.push(last);
            }
        }
        positions
    }

    /// A tree of `size` leaves with the hashes at its [`positions`](Self::positions).
    ///
    /// # Errors
    /// A hash is missing.
    pub fn new(size: u64, hashes: Hashes) -> Result<Self, TreeError> {
        let tree = Self {
            size,
            last: match size.checked_sub(1) {
                None => None,
                Some(last) => hashes.read_hashes(&[leaf_position(last)])?.pop(),
            },
            edge: hashes,
        };
        tree.root()?;
        Ok(tree)
    }

    /// How many leaves it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The hash of its last leaf.
    pub fn last(&self) -> Option<Hash> {
        self.last
    }

    /// The hash of the whole; of nothing, for an empty tree.
    ///
    /// # Errors
    /// None for a tree that was made by [`new`](Self::new) and [`push`](Self::push).
    pub fn root(&self) -> Result<Hash, TreeError> {
        Ok(tree_hash(self.size, &self.edge)?)
    }

    /// Adds the hash of a leaf; answers with the subtrees that are complete by it, by position.
    ///
    /// # Errors
    /// As [`root`](Self::root).
    pub fn push(&mut self, leaf: Hash) -> Result<Vec<(u64, Hash)>, TreeError> {
        let hashes = stored_hashes_for_record_hash(self.size, leaf, &self.edge)?;
        let added: Vec<_> = (leaf_position(self.size)..).zip(hashes).collect();
        self.edge.0.extend(added.iter().copied());
        self.size += 1;
        self.last = Some(leaf);
        let needed = sub_tree_index(0, self.size, Vec::new());
        self.edge.0.retain(|position, _| needed.contains(position));
        Ok(added)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha2::{Digest, Sha256};

    use super::*;

    /// RFC 6962, section 2.1, word for word and as slow as it stands there.
    mod naive {
        use super::*;

        pub type Node = [u8; 32];

        fn split(n: usize) -> usize {
            let mut k = 1;
            while k * 2 < n {
                k *= 2;
            }
            k
        }

        pub fn node(left: Node, right: Node) -> Node {
            Sha256::digest([&[1], &left[..], &right[..]].concat()).into()
        }

        pub fn leaf(data: &[u8]) -> Node {
            Sha256::digest([&[0], data].concat()).into()
        }

        pub fn head(leaves: &[Vec<u8>]) -> Node {
            match leaves {
                [] => Sha256::digest([]).into(),
                [only] => leaf(only),
                _ => {
                    let (left, right) = leaves.split_at(split(leaves.len()));
                    node(head(left), head(right))
                }
            }
        }

        pub fn path(m: usize, leaves: &[Vec<u8>]) -> Vec<Node> {
            if leaves.len() == 1 {
                return Vec::new();
            }
            let k = split(leaves.len());
            let (left, right) = leaves.split_at(k);
            let (mut path, sibling) = if m < k {
                (path(m, left), head(right))
            } else {
                (path(m - k, right), head(left))
            };
            path.push(sibling);
            path
        }

        pub fn consistency(m: usize, leaves: &[Vec<u8>], complete: bool) -> Vec<Node> {
            if m == leaves.len() {
                return if complete {
                    Vec::new()
                } else {
                    vec![head(leaves)]
                };
            }
            let k = split(leaves.len());
            let (left, right) = leaves.split_at(k);
            let (mut proof, sibling) = if m <= k {
                (consistency(m, left, complete), head(right))
            } else {
                (consistency(m - k, right, false), head(left))
            };
            proof.push(sibling);
            proof
        }
    }

    fn leaves(count: usize) -> Vec<Vec<u8>> {
        (0..count)
            .map(|index| index.to_string().into_bytes())
            .collect()
    }

    fn bytes(hashes: Vec<Hash>) -> Vec<naive::Node> {
        hashes.into_iter().map(|hash| hash.0).collect()
    }

    /// Every hash there is in the tree of these leaves.
    fn stored(leaves: &[Vec<u8>]) -> Hashes {
        let mut tree = Tree::default();
        let mut stored = Hashes::default();
        for data in leaves {
            stored.0.extend(tree.push(crate::leaf::hash(data)).unwrap());
        }
        assert_eq!(tree.root().unwrap().0, naive::head(leaves));
        stored
    }

    /// The proof from the hashes it asks for and no others.
    fn proof(proof: &impl Proof, stored: &Hashes) -> Vec<naive::Node> {
        let positions = proof.positions().unwrap();
        assert!(positions.len() <= 64, "{positions:?}");
        let read = positions
            .iter()
            .map(|position| (*position, stored.0[position]));
        bytes(proof.prove(&Hashes(read.collect())).unwrap())
    }

    #[test]
    fn the_positions_are_dense_and_none_is_written_twice() {
        let stored = stored(&leaves(100));
        let expected: Vec<_> = (0..stored.0.len() as u64).collect();
        assert_eq!(stored.0.into_keys().collect::<Vec<_>>(), expected);
    }

    proptest! {
        #[test]
        fn a_tree_grows_from_what_it_names_to_the_head_of_the_standard(size in 0_usize..70, more in 0_usize..70) {
            let all = leaves(size + more);
            let stored = stored(&all[..size]);
            let positions = Tree::positions(size as u64);
            let read = positions.iter().map(|position| (*position, stored.0[position]));
            let mut tree = Tree::new(size as u64, Hashes(read.collect())).unwrap();
            prop_assert_eq!(tree.last().map(|hash| hash.0), size.checked_sub(1).map(|last| naive::leaf(&all[last])));
            for data in &all[size..] {
                tree.push(crate::leaf::hash(data)).unwrap();
            }
            prop_assert_eq!(tree.root().unwrap().0, naive::head(&all));
        }

        #[test]
        fn an_inclusion_proof_is_that_of_the_standard(size in 1_usize..130, index in any::<prop::sample::Index>()) {
            let all = leaves(size);
            let index = index.index(size);
            let inclusion = Inclusion { leaf_index: index as u64, tree_size: size as u64 };
            prop_assert_eq!(proof(&inclusion, &stored(&all)), naive::path(index, &all));
        }

        #[test]
        fn a_consistency_proof_is_that_of_the_standard(to in 1_usize..130, from in any::<prop::sample::Index>()) {
            let all = leaves(to);
            let from = from.index(to) + 1;
            let consistency = Consistency { from: from as u64, to: to as u64 };
            prop_assert_eq!(proof(&consistency, &stored(&all)), naive::consistency(from, &all, true));
        }
    }

    #[test]
    fn what_no_tree_has_is_not_proved() {
        for (leaf_index, tree_size) in [(0, 0), (5, 5)] {
            assert!(
                Inclusion {
                    leaf_index,
                    tree_size
                }
                .positions()
                .is_err()
            );
        }
        for (from, to) in [(0, 5), (6, 5)] {
            assert!(Consistency { from, to }.positions().is_err());
        }
        assert!(Tree::new(3, Hashes::default()).is_err());
    }
}
