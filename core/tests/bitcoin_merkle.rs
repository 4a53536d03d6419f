//! Merkle roots and paths.

mod bitcoin_data;

use bitcoin_data::rpc_hash;
use sv2_core::bitcoin::{Hash, merkle_path, merkle_root, root_from_path, sha256d};

fn leaves(count: u8) -> Vec<Hash> {
    (0..count).map(|i| sha256d(&[i])).collect()
}

fn pair(left: &Hash, right: &Hash) -> Hash {
    sha256d(&[*left, *right].concat())
}

/// The root by the definition, hash by hash.
fn root_by_definition(leaves: &[Hash]) -> Hash {
    match leaves {
        [root] => *root,
        _ => {
            let next: Vec<Hash> = leaves.chunks(2).map(|two| pair(&two[0], two.last().unwrap())).collect();
            root_by_definition(&next)
        }
    }
}

#[test]
fn an_empty_tree_has_a_zero_root_and_a_single_leaf_is_its_own() {
    assert_eq!(merkle_root(&[]), [0; 32]);
    assert_eq!(merkle_root(&leaves(1)), leaves(1)[0]);
    assert!(merkle_path(&[]).is_empty());
}

#[test]
fn an_odd_level_pairs_its_last_hash_with_itself() {
    let l = leaves(7);
    assert_eq!(merkle_root(&l[..2]), pair(&l[0], &l[1]));
    assert_eq!(merkle_root(&l[..3]), pair(&pair(&l[0], &l[1]), &pair(&l[2], &l[2])));
    assert_eq!(merkle_root(&l[..4]), pair(&pair(&l[0], &l[1]), &pair(&l[2], &l[3])));
    // Odd at the bottom and odd again one level up.
    let right = pair(&l[4], &l[4]);
    let five = pair(&merkle_root(&l[..4]), &pair(&right, &right));
    assert_eq!(merkle_root(&l[..5]), five);
    let six = pair(&l[4], &l[5]);
    assert_eq!(merkle_root(&l[..6]), pair(&merkle_root(&l[..4]), &pair(&six, &six)));
    let seven = pair(&six, &pair(&l[6], &l[6]));
    assert_eq!(merkle_root(&l[..7]), pair(&merkle_root(&l[..4]), &seven));
}

#[test]
fn the_path_is_ordered_from_deepest() {
    let l = leaves(5);
    let right = pair(&l[4], &l[4]);
    assert_eq!(merkle_path(&l[1..5]), [l[1], pair(&l[2], &l[3]), pair(&right, &right)]);
    assert_eq!(merkle_path(&l[1..3]), [l[1], pair(&l[2], &l[2])]);
}

#[test]
fn coinbase_and_path_give_the_root_for_every_number_of_transactions() {
    for count in 1..=65 {
        let leaves = leaves(count);
        assert_eq!(merkle_root(&leaves), root_by_definition(&leaves), "{count} transactions");
        let path = merkle_path(&leaves[1..]);
        assert_eq!(path.len() as u32, u32::from(count).next_power_of_two().ilog2(), "{count} transactions");
        assert_eq!(root_from_path(&leaves[0], &path), merkle_root(&leaves), "{count} transactions");
        // An owned path, as an iterator over a message gives it, serves as well.
        assert_eq!(root_from_path(&leaves[0], path.iter().copied()), merkle_root(&leaves));
    }
}

#[test]
fn block_100000_of_the_main_chain_has_its_root() {
    let txids = [
        "8c14f0db3df150123e6f3dbbf30f8b955a8249b62ac1d1ff16284aefa3d06d87",
        "fff2525b8931402dd09222c50775608f75787bd2b87e56995a7bdd30f79702c4",
        "6359f0868171b1d194cbee1af2f16ea598ae8fad666d9b012c8ed2b79a236ec4",
        "e9a66845e05d5abc0ad04ec80f774a7e585c6e8db975962d069a522137b80c1d",
    ]
    .map(rpc_hash);
    let root = rpc_hash("f3e94742aca4b5ef85488dc37c06c3282295ffec960994b2c0d5ac2a25a95766");
    assert_eq!(merkle_root(&txids), root);
    assert_eq!(root_from_path(&txids[0], merkle_path(&txids[1..])), root);
}
